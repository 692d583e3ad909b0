//! Through which functions a message has come: Lambda stops a chain of messages in which one function is called about sixteen times
//! (recursive loop detection), unless the function allows it.

use std::{collections::BTreeMap, sync::Arc};

tokio::task_local! {
    /// The lineage of the invocation that is under way.
    static CURRENT: Lineage;
}

/// How often one function may be called in a chain.
pub(crate) const MOST_CALLS: u32 = 16;

/// How often each function was called on the way to here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lineage(Arc<BTreeMap<String, u32>>);

impl Lineage {
    /// That of whatever the invocation under way sends; none, outside of one.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// How often a function was called.
    pub(crate) fn calls_of(&self, function: &str) -> u32 {
        self.0.get(function).copied().unwrap_or_default()
    }

    /// That of messages which are brought together: of each function the most calls.
    pub(crate) fn of_all<'a>(lineages: impl Iterator<Item = &'a Self>) -> Self {
        let mut all: BTreeMap<String, u32> = BTreeMap::new();
        for (function, calls) in lineages.flat_map(|lineage| lineage.0.iter()) {
            let most = all.entry(function.clone()).or_default();
            *most = (*most).max(*calls);
        }
        Self(Arc::new(all))
    }

    /// Does the work of a function that is called at the end of this lineage.
    pub(crate) async fn call<F: Future>(&self, function: &str, work: F) -> F::Output {
        let mut calls = (*self.0).clone();
        *calls.entry(function.to_owned()).or_default() += 1;
        CURRENT.scope(Self(Arc::new(calls)), work).await
    }
}
