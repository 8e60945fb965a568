//! The checks of the vector files: a case of a file against the SDK's public API.

mod aws_param_snake_case;
mod client_ip;
mod daemon_address;
mod error_text;
mod naming;
mod sampling_central;
mod sampling_local;
mod sql_query;
mod sql_url;
mod status_flags;
mod trace_header;

use crate::vectors::Check;

/// The check of the cases in the file `stem`; `None`: nothing is known of such a file.
pub fn of(stem: &str) -> Option<Check> {
    Some(match stem {
        "aws_param_snake_case" => aws_param_snake_case::check,
        "client_ip" => client_ip::check,
        "daemon_address" => daemon_address::check,
        "error_text" => error_text::check,
        "naming" => naming::check,
        "sampling_central" => sampling_central::check,
        "sampling_local" => sampling_local::check,
        "segment_name_sanitise" => naming::check_cleaning,
        "sql_query" => sql_query::check,
        "sql_url" => sql_url::check,
        "status_flags" => status_flags::check,
        "trace_header" => trace_header::check,
        "wildcard" => sampling_local::check_wildcard,
        _ => return None,
    })
}
