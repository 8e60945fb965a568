//! The macro that creates clients.

/// Creates a client of a service crate from the application's shared configuration, with an
/// [`XRayInterceptor`](crate::XRayInterceptor): the default one, or the one passed as the third argument.
///
/// ```
/// use xray_aws_sdk::{XRayInterceptor, client};
///
/// # let config = aws_types::SdkConfig::builder()
/// #     .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest()).build();
/// let sqs = client!(aws_sdk_sqs, &config);
/// let dynamodb = client!(aws_sdk_dynamodb, &config, XRayInterceptor::new().end_at_headers(true));
/// ```
///
/// The shared configuration cannot hold interceptors, so every client needs its own.
#[macro_export]
macro_rules! client {
    ($($service:ident)::+, $config:expr $(,)?) => {
        $crate::client!($($service)::+, $config, $crate::XRayInterceptor::new())
    };
    ($($service:ident)::+, $config:expr, $interceptor:expr $(,)?) => {
        $($service)::+::Client::from_conf(
            $($service)::+::config::Builder::from($config).interceptor($interceptor).build(),
        )
    };
}
