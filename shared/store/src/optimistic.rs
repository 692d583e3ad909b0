//! Optimistic concurrency: read, decide, and write if what was read is unchanged.

use domain::Fault;

/// How often a change is attempted before the result is [`Fault::Busy`].
///
/// A failed attempt means that another writer was first, so the system as a whole made progress;
/// the next attempt starts at once, because it begins with a read.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    attempts: u32,
}

/// For rows that change a few times in their life: an order, a setting, a product's description.
/// Four conflicts in a row mean that something is wrong.
pub const SELDOM_CHANGED: Policy = Policy { attempts: 4 };

/// For rows that many writers share: a balance, a stock, a coupon source, a day's totals. Eight
/// attempts, because each of eight concurrent writers gets its turn after at most seven others.
pub const OFTEN_CHANGED: Policy = Policy { attempts: 8 };

/// The result of one attempt. `S` is what the next attempt starts with.
#[derive(Debug)]
pub enum Attempted<T, S = ()> {
    /// The change was written, or nothing had to be written.
    Done(T),
    /// A condition failed: what was read has changed since.
    Conflict(S),
}

impl<T> Attempted<T> {
    /// `Done` with this value if the change was written.
    pub fn done_if(is_written: bool, value: impl FnOnce() -> T) -> Self {
        if is_written { Self::Done(value()) } else { Self::Conflict(()) }
    }
}

/// Makes an attempt until one is done. When the policy allows no more, the result is
/// [`Fault::Busy`].
pub async fn optimistically<T, E, Fut>(
    policy: Policy,
    mut attempt: impl FnMut() -> Fut,
) -> Result<T, E>
where
    E: From<Fault>,
    Fut: Future<Output = Result<Attempted<T>, E>>,
{
    optimistically_from(policy, (), |()| attempt()).await
}

/// Like [`optimistically`], for attempts that start with what is known already: the first with
/// `first`, each other with what the one before it found.
pub async fn optimistically_from<T, S, E, Fut>(
    policy: Policy,
    first: S,
    mut attempt: impl FnMut(S) -> Fut,
) -> Result<T, E>
where
    E: From<Fault>,
    Fut: Future<Output = Result<Attempted<T, S>, E>>,
{
    let mut known = first;
    for _ in 0..policy.attempts {
        match attempt(known).await? {
            Attempted::Done(value) => return Ok(value),
            Attempted::Conflict(found) => known = found,
        }
    }
    let Policy { attempts } = policy;
    Err(Fault::busy(format!("each of {attempts} attempts met a concurrent change")).into())
}
