//! `POST /order` places an order and pays it (주문·결제): with points in the same transaction, by card right after it.
//!
//! How an order comes about is in [`crate::placing`], how a card is charged in [`crate::paying`].

use crate::{
    placing::{PaymentRequest, Shop, checked},
    refusals::{PLACE_PROBLEMS, PLACE_SUCCESSES, PlaceRefusal},
};
use domain::{
    CampaignId, CouponId, CustomerId, OrderId, ProductId, Won,
    basket::Basket,
    delivery::Delivery,
    request::{OrderRequest, Origin},
};
use edge::{Access, Answer, Function, Method, Request, Role, Route, WholeNumber};
use schemars::JsonSchema;
use serde::Deserialize;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/order",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Places an order and pays it (주문·결제)",
)
.idempotent_by_key()
.takes::<PlaceOrder>()
.answers::<events::Order>()
.succeeds(PLACE_SUCCESSES)
.problems(PLACE_PROBLEMS);

/// The function.
pub fn function() -> Function {
    Function::http("place-order", &[ROUTE], Shop::open, handle)
}

/// What is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    /// Who orders.
    #[serde(alias = "userId")]
    customer_id: CustomerId,
    /// What; items of the same product are summed first.
    #[serde(alias = "orderItems")]
    items: Vec<PlaceOrderItem>,
    /// A coupon to use.
    coupon_id: Option<CouponId>,
    /// The campaign that brought the customer.
    campaign_id: Option<CampaignId>,
    /// How it is paid; with points if left out.
    payment: Option<PaymentRequest>,
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

async fn handle(shop: Shop, request: Request) -> Result<Answer, PlaceRefusal> {
    let wanted = request.json::<PlaceOrder>()?.into_request(&request)?;
    let key = request.idempotency_key()?;
    let order_id = match key {
        Some(key) => OrderId::of_key(&wanted.customer_id, &key),
        None => OrderId::from_ulid(request.ulid()),
    };
    shop.place(&wanted, &order_id, &[], &request).await
}

impl PlaceOrder {
    fn into_request(self, request: &Request) -> Result<OrderRequest, PlaceRefusal> {
        request.caller.must_be(&self.customer_id)?;
        let payment = PaymentRequest::choice(self.payment, "payment.")?;
        let delivery = checked(self.delivery)?;
        let items = self.items.into_iter().map(|item| (item.product_id, item.quantity.0, item.expected_price));
        Ok(OrderRequest {
            customer_id: self.customer_id,
            basket: Basket::of(items)?,
            origin: Origin::Request,
            coupon_id: self.coupon_id,
            campaign_id: self.campaign_id,
            payment,
            delivery,
        })
    }
}
