//! The only crate that speaks Lambda: what comes in from API Gateway, a queue, a stream or a schedule, and what goes back.
//!
//! A function is a [`Function`]: its name, how it opens what it needs, and its handler. [`run`] serves it to the Lambda
//! runtime; the local platform calls the very same [`Handler`] with the very same JSON. This crate must never know what
//! a function is for, nor any database or other company's system.

mod claims;
mod environment;
mod function;
mod problem;
mod queue;
mod request;
mod response;
mod route;
mod schedule;
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
pub use stream::{Change, Failed};
pub use text::sendable;
