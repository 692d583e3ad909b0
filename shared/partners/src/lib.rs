//! Clients of other companies' systems. Each client has its own timeouts and signatures.
//!
//! This is the only crate with an HTTP client. It must never know a database, Lambda, or the
//! meaning of an event.

pub mod channels;
mod data_platform;
mod http;
pub mod notifiers;
pub mod payment_gateway;
pub mod receiver;
pub mod webhook;

pub use data_platform::{DataPlatform, DeliveryError};
pub use payment_gateway::PaymentGateway;
