//! Why points are not charged.

use domain::{Fault, money::AmountTooLarge, points::InvalidAmount};
use edge::{Details, Problem, Rejected};
use store::circuits::Open;

/// Why points are not charged.
#[derive(Debug, thiserror::Error)]
pub enum ChargeRefusal {
    /// The amount is out of range.
    #[error(transparent)]
    InvalidAmount(#[from] InvalidAmount),
    /// A customer asks for points without paying.
    #[error("Points are paid by card: `payment` is required.")]
    PaymentRequired,
    /// The balance would be too large.
    #[error("The balance would be over the limit: {0}.")]
    BalanceLimit(#[from] AmountTooLarge),
    /// The gateway declined.
    #[error("The payment gateway declined.")]
    PaymentFailed,
    /// The gateway is overloaded, and is not asked.
    #[error(transparent)]
    Overloaded(#[from] Open),
    /// The key stands for another charge.
    #[error("This Idempotency-Key was used for another charge.")]
    KeyReused,
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for ChargeRefusal {
    fn details(&self) -> Details {
        match self {
            Self::InvalidAmount(_) => Details::new(400, "invalid-amount"),
            Self::PaymentRequired => Details::new(402, "payment-required"),
            Self::BalanceLimit(_) => Details::new(409, "balance-limit"),
            Self::PaymentFailed => Details::new(500, "payment-failed"),
            Self::Overloaded(Open(wait)) => Details::new(503, "busy").retry_after(*wait),
            Self::KeyReused => Details::new(422, "idempotency-key-reused"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}
