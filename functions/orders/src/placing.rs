//! How an order comes about, whether its products are named in the request or are in the cart.
//!
//! One `TransactWriteItems` takes the stock of every product, asserts that their store is open, uses the coupon, takes the
//! points, writes the ledger entry and writes the order; each write asserts what it relies on. The prices are a guess (what the customer stated, else what
//! this environment remembers) that the transaction asserts. Where there is no guess, or the transaction refused it, one
//! read tells everything that decides: whether the order was placed already, then whether it can be, then on which terms.
//!
//! An order that is paid by card is placed in the same way, but for the points: its stock is held, and the attempt to pay
//! it is written down, before the gateway is asked. From then on every crash leaves something that is found again.

use crate::{
    paying::{Cashier, first_attempt},
    prices::Prices,
    refusals::{PayRefusal, PlaceRefusal},
};
use domain::{
    EntryId, Fault, OrderId, ProductId, StoreId, Won,
    basket::Wish,
    coupon::Unusable,
    delivery::Delivery,
    holds::{HoldLimits, Holds},
    money::AmountTooLarge,
    order::{Order, Status},
    payment::{Attempt, PaymentKey, PaymentMethod},
    points::{Entry, EntryKind},
    product::Price,
    request::{OrderRequest, PaymentChoice, Terms},
};
use edge::{Answer, Environment, NotStarted, Rejected, Request};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    NotCommitted, Refusal, Store, Transaction,
    carts::CartLine,
    circuits::{Open, Pass},
    orders::{Answered, BeforeOrder, Decisive, PlacedOrder},
    products::Stock,
};

/// How often the terms are read anew when they changed in between.
const ROUNDS: usize = 4;

/// What an order needs to come about.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Everything that is stored.
    pub store: Store,
    prices: Prices,
    cashier: Cashier,
    limits: HoldLimits,
}

/// How an order is to be paid.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequest {
    /// By what.
    method: PaymentMethod,
    /// What the customer authorised at the payment gateway. Without it an order by card is placed with its stock held, and is
    /// paid later. A payment window is opened for an order's id and amount: for an order that is yet to be placed, the id follows from customer and `Idempotency-Key` (`ord_` and the
    /// first 16 bytes of SHA-256 of the customer's id, a zero byte and the key, in Crockford's base 32).
    #[schemars(with = "Option<PaymentKey>")]
    payment_key: Option<String>,
}

impl PaymentRequest {
    /// How it is paid: with points, if nothing is said. `at` is where the request stands in the body.
    pub fn choice(request: Option<Self>, at: &str) -> Result<PaymentChoice, Rejected> {
        let Some(Self { method: PaymentMethod::Card, payment_key }) = request else { return Ok(PaymentChoice::Points) };
        let field = || format!("{at}paymentKey");
        let key = payment_key.map(|key| key.parse()).transpose();
        key.map(PaymentChoice::Card).map_err(|error| Rejected::field(field(), error))
    }
}

/// A delivery whose parts are what they must be.
pub fn checked(delivery: Option<Delivery>) -> Result<Option<Delivery>, Rejected> {
    if let Some(delivery) = &delivery {
        delivery.check().map_err(|invalid| Rejected::field(format!("delivery.{}", invalid.0), invalid))?;
    }
    Ok(delivery)
}

/// How it stands with the gateway for an order that is about to be placed.
enum Gateway {
    /// Nobody needs to know yet.
    Unasked,
    /// It may be asked.
    Admitted(Pass),
    /// It is overloaded: the order is placed, and paid later.
    Overloaded(Open),
}

impl Shop {
    /// Opens the shop in this environment.
    pub fn open(env: &Environment) -> Result<Self, NotStarted> {
        let store = Store::open(&env.aws, |name| env.variable(name))?;
        let limits = HoldLimits { orders: env.number("MAX_UNPAID_ORDERS")?, units: env.number("MAX_HELD_UNITS")? };
        Ok(Self { store, prices: Prices::default(), cashier: Cashier::open(env)?, limits })
    }

    /// Places an order, and pays it. The lines of the cart that it is made of leave the cart with it.
    pub async fn place(
        &self,
        wanted: &OrderRequest,
        order_id: &OrderId,
        cart: &[CartLine],
        request: &Request,
    ) -> Result<Answer, PlaceRefusal> {
        let store = self.store.until(request.deadline);
        let mut gateway = Gateway::Unasked;
        let placed = self.agree_and_pay(&store, &mut gateway, wanted, order_id, cart, request).await;
        if let Gateway::Admitted(pass) = gateway {
            self.cashier.breaker.release(&store, pass).await;
        }
        placed
    }

    async fn agree_and_pay(
        &self,
        store: &Store,
        gateway: &mut Gateway,
        wanted: &OrderRequest,
        order_id: &OrderId,
        cart: &[CartLine],
        request: &Request,
    ) -> Result<Answer, PlaceRefusal> {
        let mut guess = self.prices.guess(wanted);
        let mut closed = None;
        for _ in 0..ROUNDS {
            let is_guessed = guess.is_some();
            let (terms, holds) = if let Some(terms) = guess.take() {
                (terms, Holds::default())
            } else {
                let before = store.before_order(&decisive(wanted, order_id)).await?;
                if let Some(placed) = before.placed {
                    return replay(placed, wanted);
                }
                let terms = terms(wanted, &before, request)?;
                if let Some(store_id) = closed {
                    return Err(PlaceRefusal::StoreClosed(store_id));
                }
                (terms, before.holds)
            };
            let Ok(agreed) = agreed(wanted, order_id, &terms, request) else { continue };
            let is_held = agreed.order.status() == Status::StockAllocated;
            let holds = match is_held.then(|| holds.with(&agreed.order, self.limits)).transpose() {
                Ok(holds) => holds,
                // A replay comes first: the next round reads whether the order exists.
                Err(_) if is_guessed => continue,
                Err(too_many) => return Err(too_many.into()),
            };
            if is_held && wanted.payment_key().is_some() && matches!(gateway, Gateway::Unasked) {
                *gateway = self.cashier.admit(store).await.map_or_else(Gateway::Overloaded, Gateway::Admitted);
            }
            let attempt = match &gateway {
                Gateway::Admitted(_) => attempt(wanted, &agreed.order),
                Gateway::Unasked | Gateway::Overloaded(_) => None,
            };
            match commit(store, &agreed, holds.as_ref(), attempt.as_ref(), cart).await {
                Ok(()) => {
                    self.prices.learn(&wanted.basket, &terms);
                    return self.pay(store, agreed, attempt, gateway, request).await;
                }
                Err(NotCommitted::Refused(refusals)) => {
                    tracing::debug!(because = ?refusals.iter().map(|refusal| &refusal.because).collect::<Vec<_>>(), "not committed");
                    closed = closed_store(&refusals);
                    match closed {
                        // What else stands against it, or that it was placed before, is told first: that was read.
                        Some(store_id) if !is_guessed => return Err(PlaceRefusal::StoreClosed(store_id)),
                        Some(_) => {}
                        None => {
                            if let Some(answer) = refused(refusals, wanted) {
                                return answer;
                            }
                        }
                    }
                }
                Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
            }
        }
        Err(Fault::busy("the terms change faster than the order can be placed").into())
    }

    /// Answers for an order that was just placed, and charges the card first if that is how it is paid.
    async fn pay(
        &self,
        store: &Store,
        placed: PlacedOrder,
        attempt: Option<Attempt>,
        gateway: &mut Gateway,
        request: &Request,
    ) -> Result<Answer, PlaceRefusal> {
        let Some(attempt) = attempt else {
            let order = events::Order::from(&placed.order);
            if placed.order.status() != Status::StockAllocated {
                return Ok(Answer::ok(&order));
            }
            let to_be_paid = Answer::accepted(&order);
            return Ok(match gateway {
                Gateway::Overloaded(Open(wait)) => to_be_paid.retry_after(*wait),
                Gateway::Unasked | Gateway::Admitted(_) => to_be_paid,
            });
        };
        // Without leave to ask there would be no attempt.
        let Gateway::Admitted(pass) = std::mem::replace(gateway, Gateway::Unasked) else {
            return Ok(Answer::accepted(&events::Order::from(&placed.order)));
        };
        Ok(self.cashier.charge(store, pass, placed, attempt, request.caller.actor()).await?)
    }
}

/// What is read before the order is placed.
fn decisive<'a>(wanted: &'a OrderRequest, order: &'a OrderId) -> Decisive<'a> {
    Decisive {
        customer: &wanted.customer_id,
        products: wanted.basket.wishes().iter().map(|wish| &wish.product_id).collect(),
        coupon: wanted.coupon_id.as_ref(),
        order,
        may_hold: wanted.may_hold(),
    }
}

/// The terms on which the order can be placed as things stand, or why it cannot: in this order, whatever else is wrong.
fn terms(wanted: &OrderRequest, before: &BeforeOrder, request: &Request) -> Result<Terms, PlaceRefusal> {
    let wishes = wanted.basket.wishes();
    let mut stocks: Vec<&Stock> = Vec::with_capacity(wishes.len());
    for Wish { product_id, .. } in wishes {
        let stock = before.stocks.get(product_id);
        stocks.push(stock.ok_or_else(|| PlaceRefusal::InvalidProduct(product_id.clone()))?);
    }
    let offered = || wishes.iter().zip(&stocks);
    if let Some((wish, _)) = offered().find(|(_, stock)| !stock.active) {
        return Err(PlaceRefusal::NotForSale(wish.product_id.clone()));
    }
    let store_id = stocks.first().and_then(|stock| stock.store_id.clone());
    if stocks.iter().any(|stock| stock.store_id != store_id) {
        return Err(PlaceRefusal::MixedStores);
    }
    if store_id.is_some() {
        let delivery = wanted.delivery.as_ref();
        let delivery = delivery.ok_or_else(|| Rejected::field("delivery", "is required for products of a store"))?;
        if delivery.position().is_none() {
            return Err(Rejected::field("delivery.lat", "is required for products of a store").into());
        }
    }
    for (wish, stock) in offered() {
        let price = stock.price.won();
        if let Some(expected_price) = wish.expected_price.filter(|expected| *expected != price) {
            return Err(PlaceRefusal::PriceChanged { product_id: wish.product_id.clone(), expected_price, price });
        }
    }
    for (wish, stock) in offered() {
        let (requested, available) = (i64::from(wish.quantity), stock.quantity);
        if requested > available {
            return Err(PlaceRefusal::OutOfStock { product_id: wish.product_id.clone(), requested, available });
        }
    }
    let unit_prices: Vec<Won> = stocks.iter().map(|stock| Price::won(stock.price)).collect();
    let original = wanted.original_amount(&unit_prices)?;
    let discount = discount(wanted, before, original, request)?;
    let required = original.less(discount);
    if wanted.payment == PaymentChoice::Points && required > before.balance {
        return Err(PlaceRefusal::InsufficientPoints { required, balance: before.balance });
    }
    Ok(Terms { unit_prices, store_id, discount })
}

/// What the coupon takes off, if one is to be used.
fn discount(
    wanted: &OrderRequest,
    before: &BeforeOrder,
    original: Won,
    request: &Request,
) -> Result<Won, PlaceRefusal> {
    let Some(coupon_id) = &wanted.coupon_id else { return Ok(Won::ZERO) };
    let coupon = before.coupon.as_ref().ok_or(Unusable::Unknown);
    let discount = coupon.and_then(|coupon| coupon.discount(original, request.now));
    discount.map_err(|because| PlaceRefusal::CouponUnusable { coupon_id: coupon_id.clone(), because })
}

/// The order on these terms.
fn agreed(
    wanted: &OrderRequest,
    order_id: &OrderId,
    terms: &Terms,
    request: &Request,
) -> Result<PlacedOrder, AmountTooLarge> {
    let fingerprint = wanted.fingerprint();
    let entry = EntryId::from_ulid(request.ulid());
    let order = wanted.clone().placed(order_id.clone(), entry, terms, request.caller.actor(), request.now)?;
    Ok(PlacedOrder { order, fingerprint, answered: Answered::Placed })
}

/// The first attempt to charge the card, if that is how the order is paid.
fn attempt(wanted: &OrderRequest, order: &Order) -> Option<Attempt> {
    let key = wanted.payment_key().filter(|_| order.status() == Status::StockAllocated)?;
    Some(first_attempt(order, key))
}

/// What a failed condition means.
#[derive(Debug)]
enum Unmet {
    /// A product has not that many, or not at that price, or may not be sold.
    Stock(#[expect(dead_code, reason = "told in the log")] ProductId),
    /// The coupon is used, or its time is over.
    Coupon,
    /// The balance is less.
    Points,
    /// The entry exists.
    Entry,
    /// The attempt exists.
    Attempt,
    /// What the customer's unpaid orders hold changed.
    Holds,
    /// The store is closed.
    StoreClosed(StoreId),
    /// The line in the cart is another.
    CartLine(ProductId),
    /// The order was placed before: its row is the first answer.
    NotYetPlaced,
}

async fn commit(
    store: &Store,
    placed: &PlacedOrder,
    holds: Option<&Holds>,
    attempt: Option<&Attempt>,
    cart: &[CartLine],
) -> Result<(), NotCommitted<Unmet>> {
    let order = &placed.order;
    let Order { order_id, customer_id, total_amount, store_id, placed_at, .. } = order;
    let mut transaction = Transaction::default();
    for line in &order.lines {
        let take = store.take(&line.product_id, line.quantity, line.unit_price, store_id.as_ref());
        transaction = transaction.with(take, Unmet::Stock(line.product_id.clone()));
    }
    if let Some(store_id) = store_id {
        transaction = transaction.with(store.check_open(store_id), Unmet::StoreClosed(store_id.clone()));
    }
    if let Some(coupon) = &order.coupon_id {
        transaction = transaction.with(store.use_coupon(customer_id, coupon, order_id, *placed_at), Unmet::Coupon);
    }
    if let Some(entry_id) = order.payment.ledger_entry.clone() {
        let (kind, amount, reference) = (EntryKind::Use, -*total_amount, order_id.to_string());
        let entry = Entry { entry_id, kind, amount, reference, reason: None, at: *placed_at };
        transaction = transaction
            .with(store.debit(customer_id, *total_amount), Unmet::Points)
            .with(store.enter(customer_id, &entry).map_err(NotCommitted::Fault)?, Unmet::Entry);
    }
    if let Some(holds) = holds {
        transaction = transaction.with(store.put_holds(customer_id, holds).map_err(NotCommitted::Fault)?, Unmet::Holds);
    }
    if let Some(attempt) = attempt {
        transaction = transaction.with(store.put_attempt(attempt).map_err(NotCommitted::Fault)?, Unmet::Attempt);
    }
    for line in cart {
        let unmet = Unmet::CartLine(line.product_id.clone());
        transaction = transaction.with(store.order_cart_line(customer_id, line), unmet);
    }
    let put = store.put_order(placed).map_err(NotCommitted::Fault)?;
    transaction.with(put, Unmet::NotYetPlaced).commit(store).await
}

/// The store, if nothing stands against the order but that it is closed.
fn closed_store(refusals: &[Refusal<Unmet>]) -> Option<StoreId> {
    match refusals {
        [Refusal { because: Unmet::StoreClosed(store_id), .. }] => Some(store_id.clone()),
        _ => None,
    }
}

/// What a refusal of the transaction says for good: the first answer, or that the cart is another. What else it says is
/// told by reading everything that decides.
fn refused(refusals: Vec<Refusal<Unmet>>, wanted: &OrderRequest) -> Option<Result<Answer, PlaceRefusal>> {
    let mut changed = None;
    for Refusal { because, found } in refusals {
        match (because, found) {
            (Unmet::NotYetPlaced, Some(row)) => {
                return Some(
                    PlacedOrder::of(row).map_err(PlaceRefusal::from).and_then(|placed| replay(placed, wanted)),
                );
            }
            (Unmet::CartLine(product), _) => changed = Some(PlaceRefusal::CartChanged(product)),
            (
                Unmet::Stock(_)
                | Unmet::StoreClosed(_)
                | Unmet::Coupon
                | Unmet::Points
                | Unmet::Entry
                | Unmet::Attempt
                | Unmet::Holds
                | Unmet::NotYetPlaced,
                _,
            ) => {}
        }
    }
    changed.map(Err)
}

/// The first answer again, byte for byte, if the request means the same.
pub fn replay(placed: PlacedOrder, wanted: &OrderRequest) -> Result<Answer, PlaceRefusal> {
    if placed.fingerprint != wanted.fingerprint() {
        return Err(PlaceRefusal::KeyReused);
    }
    let order = placed.order;
    let answer = match placed.answered {
        Answered::Placed if order.pay_by.is_some() => Answer::accepted(&events::Order::from(&order.as_placed())),
        Answered::Placed => Answer::ok(&events::Order::from(&order.as_placed())),
        Answered::Paid => Answer::ok(&events::Order::from(&order.as_paid())),
        // It was paid since, by another attempt: nobody is to order the same again.
        Answered::PaymentFailed if order.payment.paid_at.is_some() => {
            Answer::ok(&events::Order::from(&order.as_paid()))
        }
        Answered::PaymentFailed => return Err(PayRefusal::payment_failed(&order).into()),
    };
    Ok(answer.replayed())
}
