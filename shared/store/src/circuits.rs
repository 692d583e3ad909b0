//! Circuit breakers, shared by all execution environments.
//!
//! A circuit is one row, and its calls are counted in one row for each ten seconds. A breaker
//! protects calls to other companies' systems, and never calls to DynamoDB, on which it depends
//! itself.
//!
//! A failure to read or write these rows is only logged, and the breaker continues with its cached
//! state: a call is not lost because of its breaker.

use crate::{
    Circuits, Item, Store, Transaction, Write,
    item::{number, read, row, whole},
    keys,
};
use domain::{
    Fault, Timestamp,
    circuit::{Admission, Calls, Circuit, SLOTS_IN_WINDOW, Thresholds, WINDOW, slot},
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a circuit's state is cached, and how long successful calls are batched before they are
/// counted.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// The wait of a caller that could not claim the probe.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// The circuit breaker of one system, with the cached state of one execution environment.
#[derive(Debug, Clone)]
pub struct Breaker {
    name: Arc<str>,
    thresholds: Thresholds,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    circuit: Circuit,
    read_at: Option<Timestamp>,
    /// Calls that are not written yet, and the time of the last write.
    uncounted: Calls,
    counted_at: Option<Timestamp>,
}

/// The right to make one call. End it with [`Permit::finish`] and [`Breaker::record`], or with
/// [`Breaker::release`].
#[derive(Debug)]
#[must_use]
pub struct Permit {
    begun_at: Timestamp,
    thresholds: Thresholds,
    /// The circuit, if this call is its probe.
    probes: Option<Circuit>,
}

/// The result of a call.
#[derive(Debug)]
#[must_use]
pub struct CallResult {
    calls: Calls,
    /// The circuit, if the call was its probe.
    probed: Option<Circuit>,
}

impl Permit {
    /// Ends the call, which has just returned.
    pub fn finish(self, store: &Store, succeeded: bool) -> CallResult {
        let took = self.begun_at.until(store.now());
        CallResult { calls: Calls::one(succeeded, took, &self.thresholds), probed: self.probes }
    }
}

/// The circuit is open: do not call for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the circuit is open for another {0:?}")]
pub struct CircuitOpen(pub Duration);

impl Breaker {
    /// Creates the circuit breaker of the system `name`.
    pub fn new(name: impl Into<Arc<str>>, thresholds: Thresholds) -> Self {
        Self { name: name.into(), thresholds, memory: Arc::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a permit for one call, unless the circuit is open.
    pub async fn admit(&self, store: &Store) -> Result<Permit, CircuitOpen> {
        let now = store.now();
        let is_old =
            self.memory().read_at.is_none_or(|read_at| read_at.plus(REMEMBERED_FOR) <= now);
        if is_old {
            match store.circuits().get(&self.name).await {
                Ok(circuit) => self.remember(circuit, now),
                Err(fault) => {
                    tracing::warn!(%fault, circuit = &*self.name, "a circuit could not be read");
                }
            }
        }
        let circuit = self.memory().circuit.clone();
        match circuit.admission(now) {
            Admission::Call => {
                Ok(Permit { begun_at: now, thresholds: self.thresholds, probes: None })
            }
            Admission::Wait(wait) => Err(CircuitOpen(wait)),
            Admission::Probe(probed) => {
                if self.change(store, &circuit, &probed).await {
                    Ok(Permit { begun_at: now, thresholds: self.thresholds, probes: Some(probed) })
                } else {
                    Err(CircuitOpen(DEFAULT_WAIT))
                }
            }
        }
    }

    /// Returns an unused permit, so that another caller can probe.
    pub async fn release(&self, store: &Store, permit: Permit) {
        if let Some(probed) = permit.probes {
            self.change(store, &probed, &probed.not_probed()).await;
        }
    }

    /// Counts a call. It can open or close the circuit.
    pub async fn record(&self, store: &Store, CallResult { calls: call, probed }: CallResult) {
        let now = store.now();
        if let Some(probed) = probed {
            let next =
                if call.bad == 0 { probed.closed() } else { probed.opened(now, &self.thresholds) };
            tracing::info!(
                circuit = &*self.name,
                closed = next.open_until.is_none(),
                "a circuit was probed"
            );
            self.change(store, &probed, &next).await;
            return;
        }
        let (circuit, calls) = {
            let mut memory = self.memory();
            memory.uncounted = memory.uncounted.and(call);
            let may_wait = memory.counted_at.is_some_and(|at| now < at.plus(REMEMBERED_FOR));
            if call.bad == 0 && may_wait {
                return;
            }
            memory.counted_at = Some(now);
            (memory.circuit.clone(), std::mem::take(&mut memory.uncounted))
        };
        if let Err(fault) = self.count(store, &circuit, calls, now).await {
            tracing::warn!(%fault, circuit = &*self.name, "calls could not be counted");
        }
    }

    /// Opens the circuit until `until`, because the system requested it (`Retry-After`). A later
    /// end is not shortened.
    pub async fn open_until_at_least(&self, store: &Store, until: Timestamp) {
        let circuit = self.memory().circuit.clone();
        if circuit.open_until.is_none_or(|known| known < until) {
            self.change(store, &circuit, &circuit.opened_until(until)).await;
        }
    }

    async fn count(
        &self,
        store: &Store,
        circuit: &Circuit,
        calls: Calls,
        now: Timestamp,
    ) -> Result<(), Fault> {
        store.circuits().count_calls(&self.name, circuit.version, calls, now).await?;
        if calls.bad == 0 || circuit.open_until.is_some() {
            return Ok(());
        }
        let counted = store.circuits().calls(&self.name, circuit.version, now).await?;
        if counted.are_too_bad(&self.thresholds) {
            tracing::error!(
                circuit = &*self.name,
                calls = counted.all,
                bad = counted.bad,
                "a circuit opens"
            );
            self.change(store, circuit, &circuit.opened(now, &self.thresholds)).await;
        }
        Ok(())
    }

    fn remember(&self, circuit: Circuit, now: Timestamp) {
        let mut memory = self.memory();
        (memory.circuit, memory.read_at) = (circuit, Some(now));
    }

    /// Changes the circuit, if it is unchanged since it was read. Returns whether the change was
    /// written.
    async fn change(&self, store: &Store, seen: &Circuit, next: &Circuit) -> bool {
        match store.circuits().put(&self.name, seen, next).await {
            Ok(true) => {
                self.remember(next.clone(), store.now());
                true
            }
            Ok(false) => {
                self.memory().read_at = None;
                false
            }
            Err(fault) => {
                tracing::warn!(%fault, circuit = &*self.name, "a circuit could not be changed");
                false
            }
        }
    }
}

impl Circuits<'_> {
    /// What a caller may do now. For functions that schedule calls and do not make them.
    pub async fn admission(self, name: &str) -> Result<Admission, Fault> {
        Ok(self.get(name).await?.admission(self.0.now()))
    }

    /// Reads the shared state of a circuit.
    async fn get(self, name: &str) -> Result<Circuit, Fault> {
        let row = self.0.get(&self.0.tables.views, &keys::circuit(name)).await?;
        row.map(read).transpose().map(Option::unwrap_or_default)
    }

    async fn put(self, name: &str, seen: &Circuit, next: &Circuit) -> Result<bool, Fault> {
        let put = Write::put(&self.0.tables.views, row(&keys::circuit(name), next)?);
        let put = match seen.version {
            0 => put.when_new(),
            version => put.when("version = :seen").value(":seen", number(version.into())),
        };
        Transaction::default().with(put, ()).commit_if_unchanged(self.0).await
    }

    /// Adds calls to the counters of the current slot. A retry after a lost response counts them
    /// twice, which has little effect on the share of bad calls.
    async fn count_calls(
        self,
        name: &str,
        version: u32,
        calls: Calls,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let table = self.0.tables.views.as_str();
        let key = keys::circuit_calls(name, version, slot(now)).item();
        let count = |calls: u64| number(i64::try_from(calls).unwrap_or(i64::MAX));
        let call = || {
            let request = self.0.client.update_item().table_name(table).set_key(Some(key.clone()));
            let request = request
                .update_expression("ADD allCalls :all, badCalls :bad SET expiresAt = :expiry");
            let request = request.expression_attribute_values(":all", count(calls.all));
            let request = request.expression_attribute_values(":bad", count(calls.bad));
            request
                .expression_attribute_values(":expiry", number(now.plus(WINDOW * 10).seconds()))
                .send()
        };
        self.0.send(call).await.map(drop)
    }

    /// Sums the calls of the window that ends now.
    async fn calls(self, name: &str, version: u32, now: Timestamp) -> Result<Calls, Fault> {
        let table = self.0.tables.views.as_str();
        let keys: Vec<_> = (0..SLOTS_IN_WINDOW)
            .map(|back| keys::circuit_calls(name, version, slot(now) - back))
            .collect();
        let mut found = self.0.batch_get(keys.iter().map(|key| (table, key.clone()))).await?;
        let in_row = |row: Item| -> Result<Calls, Fault> {
            let count = |attribute| {
                whole(&row, attribute).and_then(|count| u64::try_from(count).map_err(Fault::broken))
            };
            Ok(Calls { all: count("allCalls")?, bad: count("badCalls")? })
        };
        keys.iter()
            .filter_map(|key| found.take(key))
            .map(in_row)
            .try_fold(Calls::default(), |sum, calls| Ok(sum.and(calls?)))
    }
}
