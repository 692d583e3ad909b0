//! Placement: how a request becomes an order, whether it names its products or takes them from the
//! cart.
//!
//! One `TransactWriteItems` takes the stock of every product, asserts that their store is open,
//! uses the coupon, debits the points, appends the ledger entry and writes the order
//! ([`crate::placement_transaction`]). The terms are a guess at first (the prices that the customer
//! stated, else those that this environment remembers), which the transaction asserts. Without a
//! guess, or after a failed condition, one read returns everything that decides: whether the order
//! exists, whether it can be placed, and on which terms ([`crate::pricing`]).
//!
//! An order by card is placed in the same way, without the points: its stock is reserved and its
//! payment attempt is written before the gateway is called. After that every crash leaves rows that
//! are found again.

use crate::{
    card_payment::{CardPayments, first_attempt, payment_failed},
    placement_transaction::{FailedPlacement, commit},
    price_memory::PriceMemory,
    pricing,
};
use aws_types::SdkConfig;
use domain::{
    Context, Failure, Fault, NotStarted, Open, OrderId, Outcome, Refusal, RefusalKind, StoreId,
    Variables,
    money::AmountTooLarge,
    order::Status,
    outcome::Reply,
    payment::Attempt,
    request::{OrderRequest, Terms},
    reservations::{ReservationLimits, Reservations},
};
use events::Order;
use store::{
    Store,
    carts::CartLine,
    circuits::{CircuitOpen, Permit},
    optimistic::{
        Attempted::{self, Conflict, Done},
        SELDOM_CHANGED, optimistically_from,
    },
    orders::{FirstResponse, PlacedOrder, PlacementQuery},
};

/// Why an order is not placed.
pub const REFUSALS: &[RefusalKind] = &[
    RefusalKind::EmptyOrder,
    RefusalKind::TooManyLines,
    RefusalKind::InvalidQuantity,
    RefusalKind::InvalidProduct,
    RefusalKind::AmountTooLarge,
    RefusalKind::MixedStores,
    RefusalKind::NotForSale,
    RefusalKind::PriceChanged,
    RefusalKind::OutOfStock,
    RefusalKind::CouponUnusable,
    RefusalKind::InsufficientPoints,
    RefusalKind::StoreClosed,
    RefusalKind::TooManyUnpaidOrders,
    RefusalKind::TooManyUnpaidUnits,
    RefusalKind::CartChanged,
    RefusalKind::NotPayable,
    RefusalKind::KeyReused,
    RefusalKind::PaymentFailed,
];

/// Places orders.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Everything that is stored.
    pub store: Store,
    prices: PriceMemory,
    card_payments: CardPayments,
    limits: ReservationLimits,
}

impl<E: Variables + AsRef<SdkConfig>> Open<E> for Placement {
    fn open(env: &E) -> Result<Self, NotStarted> {
        Ok(Self {
            store: Store::open(env)?,
            prices: PriceMemory::default(),
            card_payments: CardPayments::open(env)?,
            limits: ReservationLimits {
                orders: env.number("MAX_UNPAID_ORDERS")?,
                units: env.number("MAX_HELD_UNITS")?,
            },
        })
    }
}

/// Whether the gateway may be called to charge the card of an order that is about to be placed.
enum Gateway {
    /// Nothing needs to be known yet.
    NotNeeded,
    /// It may be called.
    Permitted(Permit),
    /// It may not be called now: the order is placed, and paid later.
    CircuitOpen(CircuitOpen),
}

/// What an attempt to place an order starts with.
struct Known<'a> {
    /// The terms that are probably right. Without them they are read.
    guess: Option<Terms>,
    /// The store that was closed when the attempt before this one was written.
    closed: Option<StoreId>,
    gateway: &'a mut Gateway,
}

impl Placement {
    /// Places an order and pays it. The cart lines that it is made of leave the cart in the same
    /// transaction.
    pub async fn place(
        &self,
        context: &Context,
        request: &OrderRequest,
        order_id: &OrderId,
        cart: &[CartLine],
    ) -> Result<Outcome<Order>, Failure> {
        let store = self.store.until(context.deadline);
        let mut gateway = Gateway::NotNeeded;
        let outcome = self.place_and_pay(&store, context, &mut gateway, request, order_id, cart);
        let outcome = Box::pin(outcome).await;
        if let Gateway::Permitted(permit) = gateway {
            self.card_payments.breaker.release(&store, permit).await;
        }
        outcome
    }

    async fn place_and_pay(
        &self,
        store: &Store,
        context: &Context,
        gateway: &mut Gateway,
        request: &OrderRequest,
        order_id: &OrderId,
        cart: &[CartLine],
    ) -> Result<Outcome<Order>, Failure> {
        let first = Known { guess: self.prices.recall(request), closed: None, gateway };
        optimistically_from(SELDOM_CHANGED, first, |known| {
            Box::pin(self.attempt(store, context, request, order_id, cart, known))
        })
        .await
    }

    async fn attempt<'a>(
        &self,
        store: &Store,
        context: &Context,
        request: &OrderRequest,
        order_id: &OrderId,
        cart: &[CartLine],
        Known { guess, closed, gateway }: Known<'a>,
    ) -> Result<Attempted<Outcome<Order>, Known<'a>>, Failure> {
        let (terms, holds, is_guess) = if let Some(terms) = guess {
            (terms, Reservations::default(), true)
        } else {
            let before =
                store.orders().read_for_placement(&placement_query(request, order_id)).await?;
            if let Some(placed) = before.placed {
                return replay(placed, request).map(Done);
            }
            let terms = pricing::terms(request, &before, context.now)?;
            if let Some(store_id) = closed {
                return Err(Refusal::StoreClosed { store_id }.into());
            }
            (terms, before.holds, false)
        };
        let Ok(placed) = new_order(context, request, order_id, &terms) else {
            return Ok(Conflict(Known { guess: None, closed: None, gateway }));
        };
        let is_reserved = placed.order.status() == Status::StockAllocated;
        let holds = match is_reserved.then(|| holds.with(&placed.order, self.limits)).transpose() {
            Ok(holds) => holds,
            // A replay takes precedence: the next attempt reads whether the order exists.
            Err(_) if is_guess => {
                return Ok(Conflict(Known { guess: None, closed: None, gateway }));
            }
            Err(refusal) => return Err(refusal.into()),
        };
        if is_reserved && request.payment_key().is_some() && matches!(gateway, Gateway::NotNeeded) {
            let permit = self.card_payments.breaker.admit(store).await;
            *gateway = permit.map_or_else(Gateway::CircuitOpen, Gateway::Permitted);
        }
        let attempt = match &gateway {
            Gateway::Permitted(_) if is_reserved => {
                request.payment_key().map(|key| first_attempt(&placed.order, key))
            }
            Gateway::Permitted(_) | Gateway::NotNeeded | Gateway::CircuitOpen(_) => None,
        };
        let closed = match commit(store, &placed, holds.as_ref(), attempt.as_ref(), cart).await? {
            Ok(()) => {
                self.prices.remember(&request.basket, &terms);
                return self.pay(store, context, gateway, placed, attempt).await.map(Done);
            }
            Err(FailedPlacement::Exists(placed)) => return replay(*placed, request).map(Done),
            Err(FailedPlacement::CartChanged(product_id)) => {
                return Err(Refusal::CartChanged { product_id }.into());
            }
            // A replay and every other refusal come first. They are known once the terms were read.
            Err(FailedPlacement::StoreClosed(store_id)) if !is_guess => {
                return Err(Refusal::StoreClosed { store_id }.into());
            }
            Err(FailedPlacement::StoreClosed(store_id)) => Some(store_id),
            Err(FailedPlacement::TermsChanged) => None,
        };
        Ok(Conflict(Known { guess: None, closed, gateway }))
    }

    /// Charges the card of an order that was just placed, if that is how it is paid now.
    async fn pay(
        &self,
        store: &Store,
        context: &Context,
        gateway: &mut Gateway,
        placed: PlacedOrder,
        attempt: Option<Attempt>,
    ) -> Result<Outcome<Order>, Failure> {
        match (attempt, std::mem::replace(gateway, Gateway::NotNeeded)) {
            (Some(attempt), Gateway::Permitted(permit)) => {
                self.card_payments
                    .charge(store, permit, placed, attempt, context.caller.actor())
                    .await
            }
            (_, permitted_or_not) => {
                let order = Order::from(&placed.order);
                let retry_after = match &permitted_or_not {
                    Gateway::CircuitOpen(CircuitOpen(wait)) => Some(*wait),
                    Gateway::NotNeeded | Gateway::Permitted(_) => None,
                };
                *gateway = permitted_or_not;
                let is_due = placed.order.status() == Status::StockAllocated;
                Ok(if is_due {
                    Outcome::Accepted { value: order, retry_after }
                } else {
                    Outcome::Done(order)
                })
            }
        }
    }
}

/// What is read before an order is placed.
fn placement_query<'a>(request: &'a OrderRequest, order: &'a OrderId) -> PlacementQuery<'a> {
    PlacementQuery {
        customer: &request.customer_id,
        products: request.basket.lines().iter().map(|line| &line.product_id).collect(),
        coupon: request.coupon_id.as_ref(),
        order,
        may_reserve: request.may_reserve(),
    }
}

/// The order that a request becomes on these terms.
fn new_order(
    context: &Context,
    request: &OrderRequest,
    order_id: &OrderId,
    terms: &Terms,
) -> Result<PlacedOrder, AmountTooLarge> {
    let fingerprint = request.fingerprint();
    let by = context.caller.actor();
    let order =
        request.clone().placed(order_id.clone(), context.ids.entry(), terms, by, context.now)?;
    Ok(PlacedOrder { order, fingerprint, answered: FirstResponse::Placed })
}

/// The first response again, byte for byte, if the request means the same.
pub fn replay(placed: PlacedOrder, request: &OrderRequest) -> Result<Outcome<Order>, Failure> {
    if placed.fingerprint != request.fingerprint() {
        return Err(Refusal::KeyReused.into());
    }
    let order = placed.order;
    let (is_done, first) = match placed.answered {
        FirstResponse::Placed => (order.pay_by.is_none(), order.as_placed()),
        FirstResponse::Paid => (true, order.as_paid()),
        // Another attempt paid it since. A refusal would make the customer order the same again.
        FirstResponse::PaymentFailed if order.payment.paid_at.is_some() => (true, order),
        FirstResponse::PaymentFailed => return Err(payment_failed(&order).into()),
    };
    let body = serde_json::to_string(&Order::from(&first)).map_err(Fault::broken)?;
    Ok(Outcome::Replayed(Reply { is_done, body }))
}
