//! The domain model: identifiers, money, quantities, orders, sales. It is independent of the
//! runtime.
//!
//! This crate must never await, read a clock, hold a float, generate a random number or depend on
//! AWS. Times and random bits are passed in. Constructors reject invalid values, so every value of
//! these types is valid.

pub mod actor;
pub mod basket;
mod caller;
pub mod campaign;
pub mod channel;
pub mod circuit;
mod context;
pub mod coupon;
pub mod delivery;
pub mod effects;
mod environment;
pub mod external;
pub mod fault;
mod first_response;
pub mod geohash;
pub mod grade;
pub mod id;
pub mod idempotency;
pub mod lifecycle;
pub mod money;
pub mod number;
pub mod order;
pub mod outcome;
pub mod payment;
pub mod phone;
pub mod points;
pub mod position;
pub mod product;
mod refusal;
pub mod request;
pub mod reservations;
pub mod sales;
pub mod scope;
mod status;
pub mod store;
pub mod time;
pub mod webhook;

pub use caller::{Caller, Role};
pub use context::{Context, Ids};
pub use environment::{NotStarted, Open, Variables};
pub use fault::Fault;
pub use id::{
    CampaignId, ChannelId, ChargeId, CouponId, CouponSourceId, CustomerId, DeliveryId, EntryId,
    ExternalOrderId, InvalidId, OperatorId, OrderId, PartnerId, ProductId, RiderId, RunId,
    SourceId, StoreId, WebhookName,
};
pub use idempotency::IdempotencyKey;
pub use money::Won;
pub use outcome::Outcome;
pub use refusal::{Failure, FieldError, Refusal, RefusalKind};
pub use time::Timestamp;
