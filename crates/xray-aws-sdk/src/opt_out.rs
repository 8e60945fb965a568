//! How one call, or one client, stays out of the trace.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use crate::call::{SeenByInterceptor, TRACE_HEADER};

/// Keeps calls out of the trace: no subsegment, and no header of ours. An interceptor, of one call or of a client.
///
/// ```no_run
/// use xray_aws_sdk::Untraced;
///
/// # async fn poll(sqs: aws_sdk_sqs::Client, queue: &str) -> Result<(), aws_sdk_sqs::Error> {
/// let messages = sqs.receive_message().queue_url(queue).customize().interceptor(Untraced).send().await?;
/// # Ok(())
/// # }
/// ```
///
/// It counts for a client's [`XRayInterceptor`](crate::XRayInterceptor) and for
/// [`XRayHttpClient`](crate::XRayHttpClient). The header that the SDK itself sends in Lambda stays: AWS stops endless
/// recursion by it.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct Untraced;

/// Records calls without telling the other side: a subsegment, but no header. For stores of third parties that speak
/// the protocol of S3, which must not see ids. An interceptor, of one call or of a client.
///
/// ```no_run
/// use xray_aws_sdk::WithoutHeader;
///
/// # fn of(shared: &aws_types::SdkConfig) {
/// let config = aws_sdk_s3::config::Builder::from(shared).interceptor(WithoutHeader).build();
/// # }
/// ```
///
/// The header that the SDK itself sends in Lambda is removed as well.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct WithoutHeader;

/// What was said of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OptOut {
    pub(crate) is_untraced: bool,
    pub(crate) is_without_header: bool,
}

impl Storable for OptOut {
    type Storer = StoreReplace<OptOut>;
}

impl OptOut {
    pub(crate) fn of(cfg: &ConfigBag) -> OptOut {
        cfg.load::<OptOut>().copied().unwrap_or_default()
    }
}

/// The HTTP client gives a request with this mark no header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoHeader;

#[dyn_dispatch_hint]
impl Intercept for Untraced {
    fn name(&self) -> &'static str {
        "xray_aws_sdk::Untraced"
    }

    // Of all hooks the first: those of a call run after those of its client.
    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let told = OptOut { is_untraced: true, ..OptOut::of(cfg) };
        cfg.interceptor_state().store_put(told);
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().add_extension(SeenByInterceptor);
        Ok(())
    }
}

#[dyn_dispatch_hint]
impl Intercept for WithoutHeader {
    fn name(&self) -> &'static str {
        "xray_aws_sdk::WithoutHeader"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let told = OptOut { is_without_header: true, ..OptOut::of(cfg) };
        cfg.interceptor_state().store_put(told);
        Ok(())
    }

    // After all that set the header. The signature does not cover it.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().remove(TRACE_HEADER);
        request.add_extension(NoHeader);
        Ok(())
    }
}
