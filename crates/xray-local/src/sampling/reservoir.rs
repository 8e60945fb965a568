//! One rule's reservoir, shared by the clients that use the rule. Has no clock, so tests control the time.

use std::collections::BTreeMap;

/// How long a quota is valid, in seconds: until the next report, plus some time in case it is late.
const VALIDITY: u64 = 15;

/// Maximum number of clients of one rule. Further clients get no quota.
const MAX_CLIENTS: usize = 1_000;

/// The quotas granted to clients. Their sum never exceeds the size of the reservoir.
#[derive(Debug, Default)]
pub(crate) struct Reservoir {
    grants: BTreeMap<String, Grant>,
}

/// The quota of one client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Requests per second.
    pub(crate) quota: u32,
    /// The last second in which it is valid, since the epoch.
    pub(crate) until: u64,
}

impl Reservoir {
    /// Renews the quota of a client, where `size` is the total for all clients.
    ///
    /// All clients have an equal share; the remainder goes to those with the lowest ids. Other clients keep their
    /// quotas until they report, so a client that joins gets its full share one report later.
    pub(crate) fn grant(&mut self, client: &str, size: u32, now: u64) -> Grant {
        self.grants.retain(|_, grant| grant.until >= now);
        let mut grant = Grant { quota: 0, until: now + VALIDITY };
        if self.grants.len() >= MAX_CLIENTS && !self.grants.contains_key(client) {
            return grant;
        }
        // The client counts for the shares from now on, even if nothing is left for it.
        self.grants.insert(client.to_owned(), grant);
        let others: u64 = self.grants.values().map(|grant| u64::from(grant.quota)).sum();
        let free = u64::from(size).saturating_sub(others);
        let clients = self.grants.len() as u64;
        let place = self.grants.keys().take_while(|&other| other != client).count() as u64;
        let share = u64::from(size) / clients + u64::from(place < u64::from(size) % clients);
        // The cast is lossless: a share is at most `size`.
        grant.quota = share.min(free) as u32;
        self.grants.insert(client.to_owned(), grant);
        grant
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_client_that_joins_gets_its_share_after_the_others_have_reported() {
        let mut reservoir = Reservoir::default();
        let mut quota = |client: &str, now| reservoir.grant(client, 5, now).quota;
        for (client, now, want) in [
            ("b", 100, 5),
            ("a", 103, 0),
            ("b", 110, 2),
            ("a", 113, 3),
            ("b", 120, 2),
            // `a` sends no more reports.
            ("b", 128, 2),
            ("b", 129, 5),
        ] {
            assert_eq!(quota(client, now), want, "{client} at {now}");
        }
    }

    #[test]
    fn a_quota_is_valid_for_longer_than_the_report_interval() {
        assert_eq!(Reservoir::default().grant("a", 3, 100), Grant { quota: 3, until: 115 });
        const { assert!(VALIDITY > super::super::INTERVAL) };
    }

    #[test]
    fn clients_above_the_maximum_get_no_quota() {
        let mut reservoir = Reservoir::default();
        for client in 0..2 * MAX_CLIENTS {
            reservoir.grant(&client.to_string(), 1, 100);
        }
        assert_eq!(reservoir.grants.len(), MAX_CLIENTS);
        assert_eq!(reservoir.grant("x", 1, 116).quota, 1);
    }

    proptest! {
        #[test]
        fn the_sum_of_all_quotas_never_exceeds_the_reservoir(
            size in 0..20_u32,
            reports in prop::collection::vec(("[a-e]", 0..8_u64), 0..60),
        ) {
            let (mut reservoir, mut now, mut held) = (Reservoir::default(), 100, BTreeMap::new());
            for (client, later) in reports {
                now += later;
                let grant = reservoir.grant(&client, size, now);
                held.insert(client, grant);
                for second in now..now + 2 * VALIDITY {
                    let sum: u32 = held.values().filter(|grant| grant.until >= second).map(|grant| grant.quota).sum();
                    prop_assert!(sum <= size, "{} of {} in {}", sum, size, second);
                }
            }
        }

        #[test]
        fn clients_that_keep_reporting_share_the_whole_reservoir_equally(size in 0..50_u32, clients in 1..8_usize) {
            let mut reservoir = Reservoir::default();
            let mut quotas = Vec::new();
            for now in [100, 110] {
                quotas = (0..clients).map(|client| reservoir.grant(&client.to_string(), size, now).quota).collect();
            }
            // In the second round, the first client still holds the whole reservoir. It gives up its excess, and the
            // others receive their shares.
            quotas = quotas.iter().enumerate().map(|(i, _)| reservoir.grant(&i.to_string(), size, 120).quota).collect();
            prop_assert_eq!(quotas.iter().sum::<u32>(), size);
            prop_assert!(quotas.iter().max().unwrap() - quotas.iter().min().unwrap() <= 1);
        }
    }
}
