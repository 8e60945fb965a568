//! One rule's reservoir, shared by the clients that make use of the rule. Without a clock, so that tests can say
//! what time it is.

use std::collections::BTreeMap;

/// How long a quota is valid, in seconds: until the next report, and a while for one that comes late.
const VALIDITY: u64 = 15;

/// Of one rule: further clients get nothing.
const MAX_CLIENTS: usize = 1_000;

/// Who may take how many requests of each second. Never are more granted, to all clients together, than there are.
#[derive(Debug, Default)]
pub(crate) struct Reservoir {
    grants: BTreeMap<String, Grant>,
}

/// What one client may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Requests of each second.
    pub(crate) quota: u32,
    /// The last second of the epoch in which it is valid.
    pub(crate) until: u64,
}

impl Reservoir {
    /// Renews what a client may take, of `size` for all.
    ///
    /// Each has an equal share; a remainder goes to the first by their ids. What others were granted is theirs until
    /// they report: a client that joins gets its share one report later.
    pub(crate) fn grant(&mut self, client: &str, size: u32, now: u64) -> Grant {
        self.grants.retain(|_, grant| grant.until >= now);
        let mut grant = Grant { quota: 0, until: now + VALIDITY };
        if self.grants.len() >= MAX_CLIENTS && !self.grants.contains_key(client) {
            return grant;
        }
        // It counts from now on, even if there is nothing left for it.
        self.grants.insert(client.to_owned(), grant);
        let others: u64 = self.grants.values().map(|grant| u64::from(grant.quota)).sum();
        let free = u64::from(size).saturating_sub(others);
        let clients = self.grants.len() as u64;
        let place = self.grants.keys().take_while(|&other| other != client).count() as u64;
        let share = u64::from(size) / clients + u64::from(place < u64::from(size) % clients);
        // A share is not larger than the size.
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
    fn a_client_that_joins_gets_its_share_when_the_others_have_reported() {
        let mut reservoir = Reservoir::default();
        let mut quota = |client: &str, now| reservoir.grant(client, 5, now).quota;
        for (client, now, want) in [
            ("b", 100, 5),
            ("a", 103, 0),
            ("b", 110, 2),
            ("a", 113, 3),
            ("b", 120, 2),
            // Since then nothing of `a`, which is heard of no more.
            ("b", 128, 2),
            ("b", 129, 5),
        ] {
            assert_eq!(quota(client, now), want, "{client} at {now}");
        }
    }

    #[test]
    fn a_quota_outlives_the_time_between_reports() {
        assert_eq!(Reservoir::default().grant("a", 3, 100), Grant { quota: 3, until: 115 });
        const { assert!(VALIDITY > super::super::INTERVAL) };
    }

    #[test]
    fn clients_beyond_count_get_nothing() {
        let mut reservoir = Reservoir::default();
        for client in 0..2 * MAX_CLIENTS {
            reservoir.grant(&client.to_string(), 1, 100);
        }
        assert_eq!(reservoir.grants.len(), MAX_CLIENTS);
        assert_eq!(reservoir.grant("x", 1, 116).quota, 1);
    }

    proptest! {
        #[test]
        fn all_together_never_get_more_than_there_is(
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
        fn those_that_stay_share_it_all_and_alike(size in 0..50_u32, clients in 1..8_usize) {
            let mut reservoir = Reservoir::default();
            let mut quotas = Vec::new();
            for now in [100, 110] {
                quotas = (0..clients).map(|client| reservoir.grant(&client.to_string(), size, now).quota).collect();
            }
            // The first to report in the second round still holds all; it gives, then the others take.
            quotas = quotas.iter().enumerate().map(|(i, _)| reservoir.grant(&i.to_string(), size, 120).quota).collect();
            prop_assert_eq!(quotas.iter().sum::<u32>(), size);
            prop_assert!(quotas.iter().max().unwrap() - quotas.iter().min().unwrap() <= 1);
        }
    }
}
