//! Why an order is not placed, and why it is not paid.

use crate::KeyReused;
use domain::{
    CouponId, Fault, OrderId, ProductId, StoreId, Timestamp, Won,
    basket::InvalidBasket,
    coupon::Unusable,
    holds::TooManyHeld,
    money::AmountTooLarge,
    order::{Order, Status},
    payment::MAX_ATTEMPTS,
};
use edge::{Details, Problem, ProblemDoc, Rejected};

/// The statuses with which an order is placed.
pub const PLACE_SUCCESSES: &[(u16, &str)] = &[
    (200, "Placed and paid"),
    (
        202,
        "Placed, and to be paid: the gateway's answer is awaited; or, with `Retry-After`, the gateway is overloaded and is not asked, and the order is to be paid later",
    ),
];

/// Why an order is not placed, for the API's document.
pub const PLACE_PROBLEMS: &[ProblemDoc] = &[
    (400, "empty-order", "there are no items"),
    (400, "too-many-lines", "there are more than 30 products"),
    (400, "invalid-quantity", "a product's quantity is not 1 to 9,999"),
    (400, "invalid-product", "there is no such product"),
    (400, "amount-too-large", "the total would be over 10^12 won"),
    (400, "mixed-stores", "the products are not all of one store"),
    (409, "not-for-sale", "a product is not on sale"),
    (409, "price-changed", "a product's price is not the expected one"),
    (409, "out-of-stock", "fewer are left than asked for"),
    (
        409,
        "coupon-unusable",
        "the coupon cannot be used; `reason` is unknown, used, expired or below-minimum-order-amount",
    ),
    (409, "insufficient-points", "the balance is less than the total"),
    (409, "store-closed", "the store takes no orders now; told where nothing else stands against the order"),
    (
        409,
        "too-many-unpaid",
        "the customer's unpaid orders hold as much as they may: `limit` orders, or units of a product",
    ),
    (409, "cart-changed", "a line of the cart changed while it was ordered"),
    (409, "not-payable", "the order was called off while it was paid; what was charged goes back"),
    (422, "idempotency-key-reused", "the key was used for another order"),
    (500, "payment-failed", "the gateway declined; the order can still be paid, until `payBy`"),
];

/// Why an order is not placed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it means in its message")]
pub enum PlaceRefusal {
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
    #[error("Coupon {coupon_id} cannot be used: {because}.")]
    CouponUnusable { coupon_id: CouponId, because: Unusable },
    #[error("The order costs {required}; the balance is {balance}.")]
    InsufficientPoints { required: Won, balance: Won },
    #[error("Store {0} takes no orders now.")]
    StoreClosed(StoreId),
    #[error(transparent)]
    TooManyUnpaid(#[from] TooManyHeld),
    #[error("Product {0} of the cart changed while the cart was ordered.")]
    CartChanged(ProductId),
    #[error("This Idempotency-Key was used for another order.")]
    KeyReused,
    #[error(transparent)]
    NotPaid(#[from] PayRefusal),
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for PlaceRefusal {
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
            Self::CouponUnusable { coupon_id, because } => {
                Details::new(409, "coupon-unusable").with("couponId", coupon_id).with("reason", because.slug())
            }
            Self::InsufficientPoints { required, balance } => {
                Details::new(409, "insufficient-points").with("required", required).with("balance", balance)
            }
            Self::StoreClosed(store) => Details::new(409, "store-closed").with("storeId", store),
            Self::TooManyUnpaid(held) => Details::new(409, "too-many-unpaid").with("limit", held.limit()),
            Self::CartChanged(product) => Details::new(409, "cart-changed").with("productId", product),
            Self::KeyReused => Details::new(422, "idempotency-key-reused"),
            Self::NotPaid(refusal) => refusal.details(),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

impl From<InvalidBasket> for PlaceRefusal {
    fn from(invalid: InvalidBasket) -> Self {
        match invalid {
            InvalidBasket::Empty => Self::Empty,
            InvalidBasket::TooManyProducts => Self::TooManyLines,
            InvalidBasket::Quantity(product) => Self::InvalidQuantity(product),
            InvalidBasket::ContradictoryPrices(_) => Rejected::field("items", invalid).into(),
        }
    }
}

/// Why an order that was placed is not paid.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it means in its message")]
pub enum PayRefusal {
    #[error("The order is {0} and cannot be paid now.")]
    NotPayable(Status),
    #[error("The payment gateway declined. The order can be paid until {pay_by}.")]
    PaymentFailed { order_id: OrderId, pay_by: Timestamp },
    #[error("The order costs {required}; the balance is {balance}.")]
    InsufficientPoints { required: Won, balance: Won },
    #[error("At most {MAX_ATTEMPTS} attempts are made to pay an order by card.")]
    TooManyAttempts,
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    #[error(transparent)]
    Rejected(#[from] Rejected),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl PayRefusal {
    /// The gateway declined to pay this order.
    pub(crate) fn payment_failed(order: &Order) -> Self {
        Self::PaymentFailed { order_id: order.order_id.clone(), pay_by: order.pay_by.unwrap_or(order.updated_at) }
    }
}

impl Problem for PayRefusal {
    fn details(&self) -> Details {
        match self {
            Self::NotPayable(status) => Details::new(409, "not-payable").with("orderStatus", status),
            Self::PaymentFailed { order_id, pay_by } => {
                Details::new(500, "payment-failed").with("orderId", order_id).with("payBy", pay_by)
            }
            Self::InsufficientPoints { required, balance } => {
                Details::new(409, "insufficient-points").with("required", required).with("balance", balance)
            }
            Self::TooManyAttempts => Details::new(409, "too-many-attempts"),
            Self::KeyReused(_) => Details::new(422, "idempotency-key-reused"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}
