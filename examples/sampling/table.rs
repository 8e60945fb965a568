//! What became of requests, for people to read.

use xray_core::sampling::{MatchedRule, Reason};

use crate::visitor::Visit;

/// Prints which rule is for each request, the quota it has, how many were recorded, and what comes next.
pub(crate) fn print(visits: &[Visit]) {
    println!("  {:<16}{:<15}{:>5}{:>6}{:>10}", "request", "rule", "quota", "made", "recorded");
    for Visit { request, made, recorded, next } in visits {
        println!("  {request:<16}{:<15}{:>5}{made:>6}{recorded:>10}", rule(&next.rule), quota(&next.reason));
    }
    println!("\n  One more, in the same second, would be");
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

/// How many requests of a second the service has granted.
fn quota(reason: &Reason) -> String {
    match reason {
        Reason::Quota { quota, .. } => quota.to_string(),
        _ => "-".to_owned(),
    }
}
