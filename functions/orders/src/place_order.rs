//! `POST /order` places an order and pays it with points (주문·결제).
//!
//! One `TransactWriteItems` takes the stock of every product, takes the points, writes the ledger entry and writes the
//! order; each write asserts what it relies on. The prices are a guess (what the customer stated, else what this
//! environment remembers) that the transaction asserts. Where there is no guess, or the transaction refused it, one read
//! tells everything that decides: whether the order was placed already, then whether it can be, then on which terms.

use crate::prices::{Prices, Terms};
use domain::{
    CampaignId, CouponId, CustomerId, EntryId, Fault, OrderId, ProductId, Won,
    basket::{Basket, InvalidBasket, Wish},
    delivery::Delivery,
    money::AmountTooLarge,
    order::{Order, OrderRequest, PaymentMethod},
    points::{Entry, EntryKind},
    product::Price,
};
use edge::{Access, Answer, Details, Function, Method, Problem, Rejected, Request, Role, Route, WholeNumber};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    NotCommitted, Refusal, Store, Transaction,
    orders::{BeforeOrder, PlacedOrder},
    products::Stock,
};

/// How often the terms are read anew when they changed in between.
const ROUNDS: usize = 4;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/order",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Places an order and pays it with points (주문·결제)",
)
.idempotent_by_key()
.takes::<PlaceOrder>()
.answers::<events::Order>()
.problems(&[
    (400, "empty-order", "there are no items"),
    (400, "too-many-lines", "there are more than 30 products"),
    (400, "invalid-quantity", "a product's quantity is not 1 to 9,999"),
    (400, "invalid-product", "there is no such product"),
    (400, "amount-too-large", "the total would be over 10^12 won"),
    (400, "mixed-stores", "the products are not all of one store"),
    (409, "not-for-sale", "a product is not on sale"),
    (409, "price-changed", "a product's price is not the expected one"),
    (409, "out-of-stock", "fewer are left than asked for"),
    (409, "coupon-unusable", "the coupon cannot be used"),
    (409, "insufficient-points", "the balance is less than the total"),
    (422, "idempotency-key-reused", "the key was used for another order"),
]);

/// The function.
pub fn function() -> Function {
    let open = |env: &edge::Environment| {
        Ok(Shop { store: Store::open(&env.aws, |name| env.variable(name))?, prices: Prices::default() })
    };
    Function::http("place-order", &[ROUTE], open, handle)
}

#[derive(Clone)]
struct Shop {
    store: Store,
    prices: Prices,
}

/// What is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    /// Who orders.
    customer_id: CustomerId,
    /// What; items of the same product are summed first.
    items: Vec<PlaceOrderItem>,
    /// A coupon to use.
    coupon_id: Option<CouponId>,
    /// The campaign that brought the customer.
    campaign_id: Option<CampaignId>,
    /// How it is paid; with points if left out.
    payment: Option<PaymentChoice>,
    /// Where it goes; needed for products of a store.
    delivery: Option<Delivery>,
}

/// One item.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrderItem {
    /// Which product.
    product_id: ProductId,
    /// How many: 1 to 9,999.
    quantity: WholeNumber,
    /// The price that the customer saw: another one is refused, never charged.
    expected_price: Option<Won>,
}

/// How an order is paid.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PaymentChoice {
    /// By what.
    method: PaymentMethod,
}

/// Why an order is not placed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it means in its message")]
pub enum PlaceOrderRefusal {
    #[error("An order needs at least one product.")]
    Empty,
    #[error("An order has at most {} products.", domain::basket::MAX_PRODUCTS)]
    TooManyLines,
    #[error("The quantity of product {0} is not 1 to {max}.", max = domain::basket::Quantity::MAX)]
    InvalidQuantity(ProductId),
    #[error("There is no product {0}.")]
    InvalidProduct(ProductId),
    #[error("The total is too large: {0}.")]
    AmountTooLarge(#[from] AmountTooLarge),
    #[error("The products of one order are all of one store, or of none.")]
    MixedStores,
    #[error("Product {0} is not on sale.")]
    NotForSale(ProductId),
    #[error("Product {product_id} costs {price}, not {expected_price}.")]
    PriceChanged { product_id: ProductId, expected_price: Won, price: Won },
    #[error("Only {available} of product {product_id} are left; {requested} were asked for.")]
    OutOfStock { product_id: ProductId, requested: i64, available: i64 },
    #[error("The customer has no coupon {0}.")]
    CouponUnusable(CouponId),
    #[error("The order costs {required}; the balance is {balance}.")]
    InsufficientPoints { required: Won, balance: Won },
    #[error("This Idempotency-Key was used for another order.")]
    KeyReused,
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for PlaceOrderRefusal {
    fn details(&self) -> Details {
        match self {
            Self::Empty => Details::new(400, "empty-order"),
            Self::TooManyLines => Details::new(400, "too-many-lines"),
            Self::InvalidQuantity(product) => Details::new(400, "invalid-quantity").with("productId", product),
            Self::InvalidProduct(product) => Details::new(400, "invalid-product").with("productId", product),
            Self::AmountTooLarge(_) => Details::new(400, "amount-too-large"),
            Self::MixedStores => Details::new(400, "mixed-stores"),
            Self::NotForSale(product) => Details::new(409, "not-for-sale").with("productId", product),
            Self::PriceChanged { product_id, expected_price, price } => Details::new(409, "price-changed")
                .with("productId", product_id)
                .with("expectedPrice", expected_price)
                .with("price", price),
            Self::OutOfStock { product_id, requested, available } => Details::new(409, "out-of-stock")
                .with("productId", product_id)
                .with("requested", requested)
                .with("available", available),
            Self::CouponUnusable(coupon) => {
                Details::new(409, "coupon-unusable").with("couponId", coupon).with("reason", "unknown")
            }
            Self::InsufficientPoints { required, balance } => {
                Details::new(409, "insufficient-points").with("required", required).with("balance", balance)
            }
            Self::KeyReused => Details::new(422, "idempotency-key-reused"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

impl From<InvalidBasket> for PlaceOrderRefusal {
    fn from(invalid: InvalidBasket) -> Self {
        match invalid {
            InvalidBasket::Empty => Self::Empty,
            InvalidBasket::TooManyProducts => Self::TooManyLines,
            InvalidBasket::Quantity(product) => Self::InvalidQuantity(product),
            InvalidBasket::ContradictoryPrices(_) => Rejected::field("items", invalid).into(),
        }
    }
}

async fn handle(shop: Shop, request: Request) -> Result<Answer, PlaceOrderRefusal> {
    let wanted = request.json::<PlaceOrder>()?.into_request(&request)?;
    let key = request.idempotency_key()?;
    let order_id = match key {
        Some(key) => OrderId::of_key(&wanted.customer_id, &key),
        None => OrderId::from_ulid(request.ulid()),
    };
    let store = shop.store.until(request.deadline);

    let mut guess = shop.prices.guess(&wanted).filter(|_| wanted.coupon_id.is_none());
    for _ in 0..ROUNDS {
        let terms = if let Some(terms) = guess.take() {
            terms
        } else {
            let products = wanted.basket.wishes().iter().map(|wish| &wish.product_id);
            let before = store.before_order(&wanted.customer_id, products, &order_id).await?;
            if let Some(placed) = before.placed {
                return replay(placed, &wanted);
            }
            terms(&wanted, &before)?
        };
        let Ok(placed) = place(&wanted, &order_id, &terms, &request) else { continue };
        match commit(&store, &placed).await {
            Ok(()) => {
                shop.prices.learn(&wanted.basket, &terms);
                return Ok(Answer::ok(&events::Order::from(&placed.order)));
            }
            Err(NotCommitted::Refused(refusals)) => {
                tracing::debug!(because = ?refusals.iter().map(|refusal| &refusal.because).collect::<Vec<_>>(), "not committed");
                let earlier = refusals.into_iter().find(|refusal| matches!(refusal.because, Unmet::NotYetPlaced));
                if let Some(Refusal { found: Some(row), .. }) = earlier {
                    return replay(PlacedOrder::of(row)?, &wanted);
                }
            }
            Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::busy("the terms change faster than the order can be placed").into())
}

impl PlaceOrder {
    fn into_request(self, request: &Request) -> Result<OrderRequest, PlaceOrderRefusal> {
        request.caller.must_be(&self.customer_id)?;
        if let Some(delivery) = &self.delivery {
            delivery.check().map_err(|invalid| Rejected::field("delivery", invalid))?;
        }
        // The one way to pay, so far: another method does not get past the types.
        let PaymentMethod::Points = self.payment.map_or(PaymentMethod::Points, |choice| choice.method);
        let items = self.items.into_iter().map(|item| (item.product_id, item.quantity.0, item.expected_price));
        Ok(OrderRequest {
            customer_id: self.customer_id,
            basket: Basket::of(items)?,
            coupon_id: self.coupon_id,
            campaign_id: self.campaign_id,
            delivery: self.delivery,
        })
    }
}

/// The terms on which the order can be placed as things stand, or why it cannot: in this order, whatever else is wrong.
fn terms(wanted: &OrderRequest, before: &BeforeOrder) -> Result<Terms, PlaceOrderRefusal> {
    let wishes = wanted.basket.wishes();
    let mut stocks: Vec<&Stock> = Vec::with_capacity(wishes.len());
    for Wish { product_id, .. } in wishes {
        let stock = before.stocks.get(product_id);
        stocks.push(stock.ok_or_else(|| PlaceOrderRefusal::InvalidProduct(product_id.clone()))?);
    }
    let offered = || wishes.iter().zip(&stocks);
    if let Some((wish, _)) = offered().find(|(_, stock)| !stock.active) {
        return Err(PlaceOrderRefusal::NotForSale(wish.product_id.clone()));
    }
    let store_id = stocks.first().and_then(|stock| stock.store_id.clone());
    if stocks.iter().any(|stock| stock.store_id != store_id) {
        return Err(PlaceOrderRefusal::MixedStores);
    }
    if store_id.is_some() && wanted.delivery.is_none() {
        return Err(Rejected::field("delivery", "is needed for products of a store").into());
    }
    for (wish, stock) in offered() {
        let price = stock.price.won();
        if let Some(expected_price) = wish.expected_price.filter(|expected| *expected != price) {
            return Err(PlaceOrderRefusal::PriceChanged { product_id: wish.product_id.clone(), expected_price, price });
        }
    }
    for (wish, stock) in offered() {
        let (requested, available) = (i64::from(wish.quantity), stock.quantity);
        if requested > available {
            return Err(PlaceOrderRefusal::OutOfStock { product_id: wish.product_id.clone(), requested, available });
        }
    }
    let totals = offered().map(|(wish, stock)| stock.price.won().times(wish.quantity.get()));
    let required = totals.into_iter().try_fold(Won::ZERO, |sum, total| sum.plus(total?))?;
    if let Some(coupon) = &wanted.coupon_id {
        return Err(PlaceOrderRefusal::CouponUnusable(coupon.clone()));
    }
    if required > before.balance {
        return Err(PlaceOrderRefusal::InsufficientPoints { required, balance: before.balance });
    }
    Ok(Terms { unit_prices: stocks.iter().map(|stock| Price::won(stock.price)).collect(), store_id })
}

fn place(
    wanted: &OrderRequest,
    order_id: &OrderId,
    terms: &Terms,
    request: &Request,
) -> Result<PlacedOrder, AmountTooLarge> {
    let fingerprint = wanted.fingerprint();
    let entry_id = EntryId::from_ulid(request.ulid());
    let order = wanted.clone().paid_with_points(
        order_id.clone(),
        entry_id,
        &terms.unit_prices,
        terms.store_id.clone(),
        request.caller.actor(),
        request.now,
    )?;
    Ok(PlacedOrder { order, fingerprint })
}

/// What a failed condition means.
#[derive(Debug)]
enum Unmet {
    /// A product has not that many, or not at that price, or may not be sold.
    Stock(#[expect(dead_code, reason = "told in the log")] ProductId),
    /// The balance is less.
    Points,
    /// The entry exists.
    Entry,
    /// The order was placed before: its row is the first answer.
    NotYetPlaced,
}

async fn commit(store: &Store, placed: &PlacedOrder) -> Result<(), NotCommitted<Unmet>> {
    let Order { order_id, customer_id, total_amount, store_id, .. } = &placed.order;
    let entry = Entry {
        entry_id: placed.order.ledger_entry.clone(),
        kind: EntryKind::Use,
        amount: -*total_amount,
        reference: order_id.to_string(),
        at: placed.order.placed_at,
    };
    let mut transaction = Transaction::default();
    for line in &placed.order.lines {
        let take = store.take(&line.product_id, line.quantity, line.unit_price, store_id.as_ref());
        transaction = transaction.with(take, Unmet::Stock(line.product_id.clone()));
    }
    transaction
        .with(store.debit(customer_id, *total_amount), Unmet::Points)
        .with(store.enter(customer_id, &entry).map_err(NotCommitted::Fault)?, Unmet::Entry)
        .with(store.put_order(placed).map_err(NotCommitted::Fault)?, Unmet::NotYetPlaced)
        .commit(store)
        .await
}

/// The first answer again, byte for byte, if the request means the same.
fn replay(placed: PlacedOrder, wanted: &OrderRequest) -> Result<Answer, PlaceOrderRefusal> {
    if placed.fingerprint == wanted.fingerprint() {
        Ok(Answer::ok(&events::Order::from(&placed.order.as_placed())).replayed())
    } else {
        Err(PlaceOrderRefusal::KeyReused)
    }
}
