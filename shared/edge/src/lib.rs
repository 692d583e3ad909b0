//! The only crate that knows Lambda: events of API Gateway, queues, streams and schedules in,
//! responses out.
//!
//! A [`Function`] has a name, resources and a handler. [`run`] serves it to the Lambda runtime; the
//! local platform calls the same [`Handler`] with the same JSON. This crate must never know what a
//! function is for, nor any database or partner.

mod claims;
mod environment;
mod function;
mod http_event;
mod problem;
mod queue;
mod request;
mod response;
mod route;
mod schedule;
mod signal;
mod stream;
mod strict;
mod text;

pub use environment::Environment;
pub use function::{Error, Function, Handler, Invocation, run};
pub use queue::{DeadLetterError, MalformedMessage, Message, MessageError, SendError, SourceQueue};
pub use request::{MAX_BODY_BYTES, MAX_PAGE, Request};
pub use response::Response;
pub use route::{Access, Method, Route, Schema};
pub use schedule::Tick;
pub use signal::{Signal, signal};
pub use stream::{Change, Failed};
pub use text::sendable;
