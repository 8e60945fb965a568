//! Prints the sampling results as a table.

use xray_core::sampling::{MatchedRule, Reason};

use crate::visitor::Visit;

/// Prints the rule, the quota and the counts for each request, and the decision for the next one.
pub(crate) fn print(visits: &[Visit]) {
    println!("  {:<16}{:<15}{:>5}{:>6}{:>10}", "request", "rule", "quota", "sent", "recorded");
    for Visit { request, made, recorded, next } in visits {
        println!("  {request:<16}{:<15}{:>5}{made:>6}{recorded:>10}", rule(&next.rule), quota(&next.reason));
    }
    println!("\n  The decision for one more request in the same second:");
    for Visit { request, next, .. } in visits {
        println!("  {request:<16}{next}");
    }
    println!();
}

fn rule(rule: &MatchedRule) -> String {
    match rule {
        MatchedRule::Named(name) => name.to_string(),
        MatchedRule::Local(index, _) => format!("local rule {index}"),
        MatchedRule::LocalDefault => "local default".to_owned(),
        _ => "none".to_owned(),
    }
}

/// Returns the number of requests per second that the service has granted.
fn quota(reason: &Reason) -> String {
    match reason {
        Reason::Quota { quota, .. } => quota.to_string(),
        _ => "-".to_owned(),
    }
}
