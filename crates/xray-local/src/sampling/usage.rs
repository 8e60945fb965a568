//! What clients report: sums for each rule, and the last report of each client.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::SamplingReport;
use super::reservoir::Grant;

/// The length of a window in seconds.
const WINDOW: u64 = 10;

/// How long sums are kept, in seconds.
const KEPT: u64 = 3_600;

/// Maximum number of sums, and of clients.
const MAX: usize = 10_000;

/// The reports of the last hour.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Requests, sampled and borrowed, by the begin of the window and the rule.
    sums: BTreeMap<(u64, String), [u64; 3]>,
    /// By rule and client.
    clients: BTreeMap<(String, String), (SamplingReport, u64)>,
}

impl Usage {
    /// Adds a report on a known rule.
    pub(super) fn add(&mut self, report: &SamplingReport, grant: Grant, now: u64) {
        while let Some(((window, _), _)) = self.sums.first_key_value()
            && (window + KEPT < now || self.sums.len() >= MAX)
        {
            self.sums.pop_first();
        }
        let sums = self.sums.entry((now - now % WINDOW, report.rule.clone())).or_default();
        for (sum, count) in sums.iter_mut().zip([report.requests, report.sampled, report.borrowed]) {
            *sum = sum.saturating_add(count);
        }
        self.clients.retain(|_, (_, until)| *until >= now);
        if self.clients.len() < MAX {
            self.clients.insert((report.rule.clone(), report.client.clone()), (report.clone(), grant.until));
        }
    }

    /// Returns the sums, the oldest first.
    pub(super) fn summaries(&self) -> Vec<Value> {
        let summary = |((window, rule), [requests, sampled, borrowed]): (&(u64, String), &[u64; 3])| {
            json!({
                "RuleName": rule,
                "Timestamp": window,
                "RequestCount": requests,
                "BorrowCount": borrowed,
                "SampledCount": sampled,
            })
        };
        self.sums.iter().map(summary).collect()
    }

    /// Returns the last report of each client whose quota is valid.
    pub(super) fn clients(&self, now: u64) -> Vec<Value> {
        let clients = self.clients.values().filter(|(_, until)| *until >= now);
        let client = clients.map(|(report, until)| {
            json!({
                "rule": report.rule,
                "client": report.client,
                "requests": report.requests,
                "sampled": report.sampled,
                "borrowed": report.borrowed,
                "quota": report.target.map(|target| target.quota),
                "rate": report.target.map(|target| target.rate),
                "until": until * 1_000_000,
            })
        });
        client.collect()
    }
}
