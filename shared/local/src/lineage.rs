//! Recursive loop detection, as in Lambda.
//!
//! A lineage records the functions that a message has passed through. Lambda stops a chain of
//! messages in which one function is invoked about 16 times, unless the function allows it.

use std::{collections::BTreeMap, sync::Arc};

tokio::task_local! {
    /// The lineage of the current invocation.
    static CURRENT: Lineage;
}

/// How often a function may be invoked in one chain.
pub(crate) const MAX_CALLS: u32 = 16;

/// How often each function was invoked in a chain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lineage(Arc<BTreeMap<String, u32>>);

impl Lineage {
    /// The lineage of messages that the current invocation sends. Empty outside of an invocation.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// How often a function was invoked.
    pub(crate) fn calls_of(&self, function: &str) -> u32 {
        self.0.get(function).copied().unwrap_or_default()
    }

    /// The lineage of a batch of messages: the maximum of each function's calls.
    pub(crate) fn of_all<'a>(lineages: impl Iterator<Item = &'a Self>) -> Self {
        let mut all: BTreeMap<String, u32> = BTreeMap::new();
        for (function, calls) in lineages.flat_map(|lineage| lineage.0.iter()) {
            let max = all.entry(function.clone()).or_default();
            *max = (*max).max(*calls);
        }
        Self(Arc::new(all))
    }

    /// Runs `work` as an invocation of a function: its lineage is this one plus the invocation.
    pub(crate) async fn call<F: Future>(&self, function: &str, work: F) -> F::Output {
        let mut calls = (*self.0).clone();
        *calls.entry(function.to_owned()).or_default() += 1;
        CURRENT.scope(Self(Arc::new(calls)), work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Platform};

    #[tokio::test]
    async fn a_lineage_counts_the_calls_of_each_function() {
        let first = Lineage::default().call("a", async { Lineage::current() }).await;
        let second = first.call("b", async { Lineage::current() }).await;
        let third = second.call("a", async { Lineage::current() }).await;
        assert_eq!((third.calls_of("a"), third.calls_of("b"), third.calls_of("c")), (2, 1, 0));
        assert_eq!(Lineage::of_all([&first, &third].into_iter()).calls_of("a"), 2);
        assert_eq!(
            Lineage::current().calls_of("a"),
            0,
            "there is no lineage outside of an invocation"
        );
    }

    #[tokio::test]
    async fn a_recursive_loop_is_stopped_unless_the_function_allows_it() {
        let platform = Platform::new(Options::default()).await.unwrap();
        let after = |function: &str, calls: u32| {
            Lineage(Arc::new(BTreeMap::from([(function.to_owned(), calls)])))
        };
        for (queue, function, calls, dead_letters) in [
            ("RecordSales", "record-sales", MAX_CALLS - 1, 0),
            ("RecordSales", "record-sales", MAX_CALLS, 1),
            ("RecordSales", "another", MAX_CALLS, 1),
            ("DeliverWebhook", "deliver-webhook", MAX_CALLS, 0),
        ] {
            let event =
                r#"{"webhook":"none","deliveryId":"dlv_0","nextAttemptAt":"2026-01-05T00:00:00Z"}"#;
            platform
                .aws
                .queues
                .send_from(&after(function, calls), &format!("{queue}Queue"), event, None)
                .unwrap();
            platform.settle().await;
            assert_eq!(
                platform.aws.queues.bodies(&format!("{queue}DeadLetters")).len(),
                dead_letters,
                "{function} {calls}"
            );
        }
    }
}
