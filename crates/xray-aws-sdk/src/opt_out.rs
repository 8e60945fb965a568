//! Interceptors that keep a call or a client out of the trace.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use xray_core::adapter::TRACE_HEADER;

use crate::call::SeenByInterceptor;

/// An interceptor that keeps calls out of the trace: no subsegment, and no trace header. Attach it to a single call or
/// to a client.
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
/// It applies to a client's [`XRayInterceptor`](crate::XRayInterceptor) and to
/// [`XRayHttpClient`](crate::XRayHttpClient). The header that the SDK itself sends in Lambda is kept, because AWS
/// detects recursive invocations by it.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct Untraced;

/// An interceptor that records calls but sends no trace header, for example to third-party stores that speak the
/// protocol of S3 and must not see trace IDs. Attach it to a single call or to a client.
///
/// ```no_run
/// use xray_aws_sdk::WithoutHeader;
///
/// # fn configure(shared: &aws_types::SdkConfig) {
/// let config = aws_sdk_s3::config::Builder::from(shared).interceptor(WithoutHeader).build();
/// # }
/// ```
///
/// The header that the SDK itself sends in Lambda is removed as well.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a marker that users write down")]
pub struct WithoutHeader;

/// How a call opts out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OptOut {
    pub(crate) is_untraced: bool,
    pub(crate) is_without_header: bool,
}

impl Storable for OptOut {
    type Storer = StoreReplace<OptOut>;
}

impl OptOut {
    /// Reads only the layer of interceptors, which is where the interceptors below store it.
    pub(crate) fn of(cfg: &mut ConfigBag) -> OptOut {
        cfg.get_mut_from_interceptor_state::<OptOut>().copied().unwrap_or_default()
    }
}

/// Marks a request that [`XRayHttpClient`](crate::XRayHttpClient) sends without the header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoHeader;

#[dyn_dispatch_hint]
impl Intercept for Untraced {
    fn name(&self) -> &'static str {
        "xray_aws_sdk::Untraced"
    }

    // The first hook of all, because interceptors of a call run after those of its client.
    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let opt_out = OptOut { is_untraced: true, ..OptOut::of(cfg) };
        cfg.interceptor_state().store_put(opt_out);
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
        let opt_out = OptOut { is_without_header: true, ..OptOut::of(cfg) };
        cfg.interceptor_state().store_put(opt_out);
        Ok(())
    }

    // Runs after every hook that sets the header. The signature does not cover the header.
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
