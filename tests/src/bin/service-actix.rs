//! The service of the end-to-end tests on actix-web: `service-actix --listen 127.0.0.1:0 --name NAME [--pattern
//! PATTERN]`.

use std::process::ExitCode;

use xray_tests::service;

fn main() -> ExitCode {
    service::main(service::actix::serve)
}
