//! The environment of a process, as far as its resources are opened from it.

use std::{error::Error, str::FromStr};

/// A function cannot start: its environment is not what its template says. Lambda reports it and
/// tries again.
pub type NotStarted = Box<dyn Error + Send + Sync>;

/// Environment variables.
pub trait Variables {
    /// A variable, if it is set and not empty.
    fn variable(&self, name: &str) -> Option<String>;

    /// A variable that must be set.
    fn require(&self, name: &str) -> Result<String, NotStarted> {
        self.variable(name)
            .ok_or_else(|| format!("the environment variable {name} is not set").into())
    }

    /// A variable that must be a whole number.
    fn number<T: FromStr>(&self, name: &str) -> Result<T, NotStarted> {
        let text = self.require(name)?;
        text.parse().map_err(|_| {
            format!("the environment variable {name} is not a whole number within its range").into()
        })
    }
}

/// A client or a set of settings that is opened from an environment, once for each process.
pub trait Open<E>: Sized {
    /// Opens it.
    fn open(env: &E) -> Result<Self, NotStarted>;
}

/// For functions without resources.
impl<E> Open<E> for () {
    fn open(_: &E) -> Result<Self, NotStarted> {
        Ok(())
    }
}
