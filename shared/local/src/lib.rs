//! The whole platform in one process: [`Platform`] runs `template.yaml` with the very handlers that
//! are deployed, and [`World`] is a platform for tests.
//!
//! This crate must never be part of what is deployed, and nothing deployed may know of it.

pub mod aws;
mod clock;
mod control;
mod demo;
mod event_source_mapping;
mod guard;
mod hs256;
mod http_api;
mod lineage;
pub mod partners;
mod platform;
mod ports;
mod runner;
pub mod template;
mod token;
pub mod world;

pub use clock::Clock;
pub use demo::Demo;
pub use platform::{Options, Platform};
pub use ports::{Ports, serve};
pub use runner::{all_functions, binaries};
pub use token::TokenRequest;
pub use world::World;

/// A platform is many small pieces of JSON, made and dropped: this allocator takes half the time of
/// the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Something that keeps the platform from working.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Lets a task run beside the others.
#[expect(
    clippy::disallowed_methods,
    reason = "the local platform is one long-lived process, not a function"
)]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
