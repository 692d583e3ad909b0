//! `POST /carts/{customerId}/order` orders what is in the cart (장바구니 주문): an order like any other, but that the lines
//! leave the cart with it, in the same transaction. A line that changes meanwhile is refused, not lost.

use domain::{
    CampaignId, CouponId, CustomerId, OrderId,
    basket::{Basket, InvalidBasket},
    delivery::Delivery,
    request::{OrderRequest, Origin},
};
use edge::{Access, Answer, Function, Method, Request, Role, Route};
use orders::{
    placing::{PaymentRequest, Shop, checked, replay},
    refusals::{PLACE_PROBLEMS, PLACE_SUCCESSES, PlaceRefusal},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/carts/{customerId}/order",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Orders what is in the cart, and pays it (장바구니 주문)",
)
.idempotent_by_key()
.takes::<OrderCart>()
.answers::<events::Order>()
.succeeds(PLACE_SUCCESSES)
.problems(PLACE_PROBLEMS);

/// The function.
pub fn function() -> Function {
    Function::http("order-cart", &[ROUTE], Shop::open, handle)
}

/// How the cart is ordered.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderCart {
    /// A coupon to use.
    coupon_id: Option<CouponId>,
    /// The campaign that brought the customer.
    campaign_id: Option<CampaignId>,
    /// How it is paid; with points if left out.
    payment: Option<PaymentRequest>,
    /// Where it goes; needed for products of a store.
    delivery: Option<Delivery>,
}

async fn handle(shop: Shop, request: Request) -> Result<Answer, PlaceRefusal> {
    let customer_id: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer_id)?;
    let OrderCart { coupon_id, campaign_id, payment, delivery } = request.json_or_nothing()?;
    let (payment, delivery) = (PaymentRequest::choice(payment, "payment.")?, checked(delivery)?);
    let key = request.idempotency_key()?;
    let order_id = match &key {
        Some(key) => OrderId::of_cart_key(&customer_id, key),
        None => OrderId::from_ulid(request.ulid()),
    };
    let store = shop.store.until(request.deadline);
    let lines = store.cart(&customer_id, request.now).await?.lines;
    let wishes = lines.iter().map(|line| (line.product_id.clone(), i64::from(line.quantity), None));
    let basket = Basket::of(wishes);
    let is_empty = basket == Err(InvalidBasket::Empty);
    if is_empty && key.is_none() {
        return Err(PlaceRefusal::Empty);
    }
    let basket = if is_empty { Basket::nothing() } else { basket? };
    let origin = Origin::Cart;
    let wanted = OrderRequest { customer_id, basket, origin, coupon_id, campaign_id, payment, delivery };
    if is_empty {
        // The cart is empty, perhaps because it was ordered under this very key.
        let placed = store.order(&order_id).await?.ok_or(PlaceRefusal::Empty)?;
        return replay(placed, &wanted);
    }
    shop.place(&wanted, &order_id, &lines, &request).await
}
