//! Calls to other companies' systems, each with its timeout and its signature.
//!
//! The only crate with an HTTP client. It must never know a database, Lambda, or what an event means to us.

pub mod channels;
mod data_platform;
mod http;
pub mod notifiers;
pub mod payment_gateway;
pub mod receiver;
pub mod webhook;

pub use data_platform::{DataPlatform, DeliveryError};
pub use payment_gateway::PaymentGateway;
