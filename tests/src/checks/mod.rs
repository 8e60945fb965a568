//! The checks of the vector files: a case of a file against the SDK's public API.

mod aws_param_snake_case;
mod daemon_address;
mod naming;
mod sampling_central;
mod sampling_local;
mod sql_url;
mod status_flags;
mod trace_header;

use crate::vectors::Plan;

/// What to do with the cases of the file `stem`; `None`: nothing is known of such a file.
pub fn of(stem: &str) -> Option<Plan> {
    Some(match stem {
        "aws_param_snake_case" => Plan::Run(aws_param_snake_case::check),
        "daemon_address" => Plan::Run(daemon_address::check),
        "naming" => Plan::Run(naming::check),
        "sampling_central" => Plan::Run(sampling_central::check),
        "sampling_local" => Plan::Run(sampling_local::check),
        "segment_name_sanitise" => Plan::Run(naming::check_cleaning),
        "sql_url" => Plan::Run(sql_url::check),
        "status_flags" => Plan::Run(status_flags::check),
        "trace_header" => Plan::Run(trace_header::check),
        "wildcard" => Plan::Run(sampling_local::check_wildcard),
        _ => return None,
    })
}
