//! `POST /carts/{customerId}/order` orders the contents of a cart (장바구니 주문). The same transaction
//! removes the ordered lines from the cart. If a line changes in the meantime, the order is refused
//! and the line remains in the cart.

use domain::{
    CampaignId, CouponId, CustomerId, Failure, OrderId, Refusal, Role,
    basket::Basket,
    delivery::Delivery,
    request::{BasketSource, OrderRequest},
};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    payment_request::{PaymentRequest, checked},
    placement::{self, Placement},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// `POST /carts/{customerId}/order`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/carts/{customerId}/order",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Orders the contents of a cart and pays the order (장바구니 주문)",
)
.idempotent_by_key()
.request_body::<OrderCart>()
.response::<events::Order>()
.successes(&[
    (200, "Placed and paid"),
    (202, "Placed and not paid yet; with `Retry-After` if the payment gateway is overloaded"),
])
.problems(placement::REFUSALS);

/// The `order-cart` handler.
pub fn function() -> Function {
    Function::http("order-cart", const { &[ROUTE.served()] }, handle)
}

/// The details of an order of a cart.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderCart {
    /// The coupon to use.
    coupon_id: Option<CouponId>,
    /// The campaign that brought the customer.
    campaign_id: Option<CampaignId>,
    /// The payment; with points if omitted.
    payment: Option<PaymentRequest>,
    /// The destination. Required for products of a store.
    delivery: Option<Delivery>,
}

async fn handle(placement: Placement, request: Request) -> Result<Response, Failure> {
    let customer_id: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer_id)?;
    let OrderCart { coupon_id, campaign_id, payment, delivery } = request.json_or_nothing()?;
    let (payment, delivery) = (PaymentRequest::choice(payment, "payment.")?, checked(delivery)?);
    let key = request.idempotency_key()?;
    let order_id = match &key {
        Some(key) => OrderId::of_cart_key(&customer_id, key),
        None => OrderId::from_ulid(request.ids().ulid()),
    };
    let store = placement.store.until(request.deadline);
    let lines = store.carts().get(&customer_id, request.now).await?.lines;
    let is_empty = lines.is_empty();
    if is_empty && key.is_none() {
        return Err(Refusal::EmptyOrder.into());
    }
    let quantities = lines.iter().map(|line| (line.product_id.clone(), line.quantity.into(), None));
    let basket = if is_empty { Basket::nothing() } else { Basket::of(quantities)? };
    let basket_source = BasketSource::Cart;
    let order = OrderRequest {
        customer_id,
        basket,
        basket_source,
        coupon_id,
        campaign_id,
        payment,
        delivery,
    };
    if is_empty {
        // The cart may be empty because it was ordered under the same key.
        let placed = store.orders().get(&order_id).await?.ok_or(Refusal::EmptyOrder)?;
        return Ok(Response::of(placement::replay(placed, &order)?));
    }
    Ok(Response::of(placement.place(&request.context(), &order, &order_id, &lines).await?))
}
