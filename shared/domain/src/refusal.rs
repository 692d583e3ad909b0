//! Refusals: every problem that a caller can get, in one table.
//!
//! A row gives a problem its fields, status, type, text and documentation. The edge writes them as
//! RFC 9457 problems: the fields become extension members, and the API's document takes the
//! documentation.

use crate::{
    CouponId, Fault, OrderId, ProductId, StoreId, Timestamp, WebhookName, Won,
    basket::{MAX_PRODUCTS, Quantity},
    coupon::Unusable,
    money::AmountTooLarge,
    payment::MAX_ATTEMPTS,
    points::ChargeAmount,
    product::{MAX_ADJUSTMENT, MAX_STOCK, Price},
    status::Status,
};
use serde::Serialize;
use std::time::Duration;

/// A field of a request that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The path of the field (`items[0].quantity`), or the name of a parameter or header.
    pub field: String,
    /// What is wrong with it; reads on after the field's name.
    pub message: String,
}

macro_rules! refusals {
    ($(
        #[doc = $documentation:literal]
        $kind:ident $({ $($(#[$attribute:meta])* $field:ident: $type:ty),+ $(,)? })? = $status:literal, $slug:literal, ($($text:tt)+);
    )+) => {
        /// Why a request is refused. The message is the problem's `detail`.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
        #[serde(untagged, rename_all_fields = "camelCase")]
        #[expect(missing_docs, reason = "a field is the extension member of its name")]
        pub enum Refusal {
            $(
                #[doc = $documentation]
                #[error($($text)+)]
                $kind $({ $($(#[$attribute])* $field: $type),+ })?,
            )+
        }

        /// A kind of refusal: what the API's document says of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RefusalKind {
            $(
                #[doc = $documentation]
                $kind,
            )+
        }

        impl Refusal {
            /// Its kind.
            pub const fn kind(&self) -> RefusalKind {
                match self {
                    $(Self::$kind { .. } => RefusalKind::$kind,)+
                }
            }
        }

        impl RefusalKind {
            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$kind => $status,)+
                }
            }

            /// The last part of the problem's type: `/problems/<slug>`.
            pub const fn slug(self) -> &'static str {
                match self {
                    $(Self::$kind => $slug,)+
                }
            }

            /// When it is answered.
            pub fn documentation(self) -> &'static str {
                match self {
                    $(Self::$kind => $documentation.trim(),)+
                }
            }
        }
    };
}

refusals! {
    /// The request is malformed; `errors` names each field.
    MalformedRequest { errors: Vec<FieldError> } = 400, "malformed-request", ("{}", list(.errors));
    /// The order has no items.
    EmptyOrder = 400, "empty-order", ("The order must have at least one item.");
    /// The order has more than 30 products.
    TooManyLines = 400, "too-many-lines", ("An order must not have more than {MAX_PRODUCTS} products.");
    /// The quantity of a product is not between 1 and 9,999.
    InvalidQuantity { product_id: ProductId } = 400, "invalid-quantity", ("The quantity of product {product_id} must be between 1 and {max}.", max = Quantity::MAX);
    /// The change is 0 or beyond ±1,000,000, or the stock would be below 0 or over 10^9.
    InvalidStockQuantity = 400, "invalid-quantity", ("`delta` must be between -{MAX_ADJUSTMENT} and {MAX_ADJUSTMENT} and not 0; the stock must be between 0 and {MAX_STOCK}.");
    /// There is no such product.
    InvalidProduct { product_id: ProductId } = 400, "invalid-product", ("Product {product_id} does not exist.");
    /// There is no such store.
    InvalidStore { store_id: StoreId } = 400, "invalid-store", ("Store {store_id} does not exist.");
    /// The price is not between 0 and 10^9 won.
    InvalidPrice = 400, "invalid-price", ("`price` must be between 0 and {max}.", max = Price::MAX);
    /// The amount is not between 1 and 10,000,000 points.
    InvalidAmount = 400, "invalid-amount", ("`amount` must be between 1 and {max}.", max = ChargeAmount::MAX);
    /// An amount would be over 10^12 won.
    AmountTooLarge = 400, "amount-too-large", ("An amount must not exceed {max} won.", max = Won::MAX);
    /// The products belong to different stores.
    MixedStores = 400, "mixed-stores", ("All products of an order must belong to the same store, or to none.");
    /// Customers pay for points by card.
    PaymentRequired = 402, "payment-required", ("`payment` is required: points are paid by card.");
    /// The caller may not do this.
    Forbidden = 403, "forbidden", ("You are not allowed to do this.");
    /// The resource does not exist, or the caller may not see it.
    NotFound = 404, "not-found", ("No resource exists at this path, or you may not see it.");
    /// The path does not have this method.
    MethodNotAllowed { #[serde(skip)] allowed: String } = 405, "method-not-allowed", ("Allowed methods: {allowed}.");
    /// The product is not on sale.
    NotForSale { product_id: ProductId } = 409, "not-for-sale", ("Product {product_id} is not on sale.");
    /// The price of a product differs from `expectedPrice`.
    PriceChanged { product_id: ProductId, expected_price: Won, price: Won } = 409, "price-changed", ("Product {product_id} costs {price}, not {expected_price}.");
    /// Fewer units are left than requested.
    OutOfStock { product_id: ProductId, requested: i64, available: i64 } = 409, "out-of-stock", ("Product {product_id} has {available} units left; {requested} were requested.");
    /// The coupon is unknown, used or expired, or the order is below its minimum amount.
    CouponUnusable { coupon_id: CouponId, reason: Unusable } = 409, "coupon-unusable", ("Coupon {coupon_id} cannot be used: {reason}.");
    /// The balance is lower than the total.
    InsufficientPoints { required: Won, balance: Won } = 409, "insufficient-points", ("The order costs {required}; the balance is {balance}.");
    /// The store is closed; reported only if nothing else is wrong with the order.
    StoreClosed { store_id: StoreId } = 409, "store-closed", ("Store {store_id} is closed.");
    /// The customer has `limit` unpaid orders.
    TooManyUnpaidOrders { limit: u32 } = 409, "too-many-unpaid", ("A customer may have {limit} unpaid orders. Pay or cancel one of them first.");
    /// The unpaid orders of the customer would reserve more than `limit` units of a product.
    TooManyUnpaidUnits { #[serde(skip)] product_id: ProductId, limit: u32 } = 409, "too-many-unpaid", ("The unpaid orders of a customer may reserve {limit} units of product {product_id}.");
    /// An item of the cart changed while the cart was ordered.
    CartChanged { product_id: ProductId } = 409, "cart-changed", ("Product {product_id} of the cart changed while the cart was ordered.");
    /// The cart has 30 other products.
    CartFull = 409, "cart-full", ("A cart must not have more than {MAX_PRODUCTS} products.");
    /// The order is not waiting for payment.
    NotPayable { order_status: Status } = 409, "not-payable", ("The order is {order_status} and cannot be paid.");
    /// The card was tried the maximum number of times.
    TooManyAttempts = 409, "too-many-attempts", ("An order can be tried {MAX_ATTEMPTS} times by card.");
    /// The order is being prepared or shipped, or has ended.
    NotCancellable { order_status: Status } = 409, "not-cancellable", ("The order is {order_status} and cannot be cancelled.");
    /// The order has another status than one of `expected`.
    WrongStatus { order_status: Status, expected: &'static [Status] } = 409, "wrong-status", ("The order is {order_status}; this is not possible now.");
    /// The rider has `limit` open deliveries.
    TooManyDeliveries { limit: i64 } = 409, "too-many-deliveries", ("A rider may have {limit} open deliveries. Complete one of them first.");
    /// The balance would exceed 10^12; a card that was charged is refunded.
    BalanceLimit = 409, "balance-limit", ("The balance must not exceed {max}.", max = Won::MAX);
    /// `field` cannot be changed.
    NotChangeable { field: &'static str } = 409, "not-changeable", ("`{field}` cannot be changed.");
    /// The customer already has a coupon of this source.
    CouponAlreadyIssued { coupon_id: CouponId } = 409, "coupon-already-issued", ("The customer already has coupon {coupon_id} of this source.");
    /// Coupons of this source are issued at another time.
    CouponNotOpen { issue_from: Timestamp, issue_until: Timestamp } = 409, "coupon-not-open", ("Coupons of this source are issued from {issue_from} until {issue_until}.");
    /// All coupons of this source are issued.
    CouponSoldOut = 409, "coupon-sold-out", ("All coupons of this source are issued.");
    /// More coupons are issued already.
    QuantityBelowIssued { issued: i64 } = 409, "quantity-below-issued", ("`quantity` must not be below the {issued} coupons that are issued.");
    /// The customer has no phone; `PUT /customers/{customerId}` sets one.
    NoPhone = 409, "no-phone", ("The customer has no phone. Set one first.");
    /// The code is not the last one that was sent, has expired, or was tried too many times.
    WrongCode = 409, "wrong-code", ("The code is wrong or has expired. Request a new one.");
    /// The number received as many codes today as it may.
    TooManyCodes { #[serde(skip)] limit: i64 } = 409, "too-many-codes", ("A number receives at most {limit} codes a day.");
    /// Another channel has this marketplace account.
    ChannelExists { account: String } = 409, "channel-exists", ("Another channel has account {account}.");
    /// The channel is inactive.
    ChannelInactive = 409, "channel-inactive", ("The channel is inactive. Activate it first.");
    /// The webhook is configured by the template's parameters.
    ReservedName { name: WebhookName } = 409, "reserved-name", ("Webhook {name} is configured by the template's parameters and changes with a deployment.");
    /// The webhook received four new secrets within a day, and all of them sign.
    TooManySecrets = 409, "too-many-secrets", ("The webhook received too many new secrets within a day. Each of them signs for a day.");
    /// The body is longer than 64 KB.
    BodyTooLarge = 413, "body-too-large", ("The body exceeds 64 KB.");
    /// The body is not `application/json`.
    UnsupportedMediaType = 415, "unsupported-media-type", ("The content type must be application/json.");
    /// The key was used for another request.
    KeyReused = 422, "idempotency-key-reused", ("This Idempotency-Key was used for another request.");
    /// The gateway declined; the order can be paid until `payBy`.
    PaymentFailed { order_id: OrderId, pay_by: Timestamp } = 500, "payment-failed", ("The payment gateway declined. The order can be paid until {pay_by}.");
    /// The gateway declined.
    ChargeFailed = 500, "payment-failed", ("The payment gateway declined.");
    /// Something is broken on our side.
    InternalError = 500, "internal-error", ("Something is broken on our side.");
    /// Overloaded; try again after `Retry-After` seconds.
    Busy { #[serde(skip)] retry_after: Duration } = 503, "busy", ("Overloaded. Try again in {} seconds.", retry_after.as_secs().max(1));
}

impl Refusal {
    /// A field is not valid.
    pub fn field(field: impl Into<String>, message: impl ToString) -> Self {
        Self::MalformedRequest {
            errors: vec![FieldError { field: field.into(), message: message.to_string() }],
        }
    }
}

fn list(errors: &[FieldError]) -> String {
    let errors = errors.iter().map(|FieldError { field, message }| format!("`{field}` {message}"));
    errors.collect::<Vec<_>>().join("; ") + "."
}

impl From<AmountTooLarge> for Refusal {
    fn from(AmountTooLarge: AmountTooLarge) -> Self {
        Self::AmountTooLarge
    }
}

/// Why a use case did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A rule refuses the request: the caller must change it, or wait.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}
