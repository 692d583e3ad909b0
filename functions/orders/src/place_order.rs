//! `POST /order` places an order and pays it (주문·결제): with points in the same transaction, by card
//! immediately after it.
//!
//! [`ordering::placement`] implements the placement, [`ordering::card_payment`] the card payment.

use domain::{
    CampaignId, CouponId, CustomerId, Failure, OrderId, ProductId, Refusal, Role, Won,
    basket::Basket,
    delivery::Delivery,
    number::WholeNumber,
    request::{BasketSource, OrderRequest},
};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    payment_request::{PaymentRequest, checked},
    placement::{self, Placement},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// `POST /order`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/order",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Places an order and pays it (주문·결제)",
)
.idempotent_by_key()
.request_body::<PlaceOrder>()
.response::<events::Order>()
.successes(&[
    (200, "Placed and paid"),
    (202, "Placed and not paid yet; with `Retry-After` if the payment gateway is overloaded"),
])
.problems(placement::REFUSALS);

/// The `place-order` handler.
pub fn function() -> Function {
    Function::http("place-order", const { &[ROUTE.served()] }, handle)
}

/// An order to place.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrder {
    /// The customer's id.
    #[serde(alias = "userId")]
    customer_id: CustomerId,
    /// The items. The quantities of items with the same product are added up first.
    #[serde(alias = "orderItems")]
    items: Vec<PlaceOrderItem>,
    /// The coupon to use.
    coupon_id: Option<CouponId>,
    /// The campaign that brought the customer.
    campaign_id: Option<CampaignId>,
    /// The payment; with points if omitted.
    payment: Option<PaymentRequest>,
    /// The destination. Required for products of a store.
    delivery: Option<Delivery>,
}

/// One item of the order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceOrderItem {
    /// The product's id.
    product_id: ProductId,
    /// The number of units: 1 to 9,999.
    quantity: WholeNumber,
    /// The unit price that the customer saw. If the price has changed, the order is refused; a
    /// different price is never charged.
    expected_price: Option<Won>,
}

async fn handle(placement: Placement, request: Request) -> Result<Response, Failure> {
    let order = request.json::<PlaceOrder>()?.into_request(&request)?;
    let order_id = match request.idempotency_key()? {
        Some(key) => OrderId::of_key(&order.customer_id, &key),
        None => OrderId::from_ulid(request.ids().ulid()),
    };
    Ok(Response::of(placement.place(&request.context(), &order, &order_id, &[]).await?))
}

impl PlaceOrder {
    fn into_request(self, request: &Request) -> Result<OrderRequest, Refusal> {
        request.caller.must_be(&self.customer_id)?;
        let payment = PaymentRequest::choice(self.payment, "payment.")?;
        let delivery = checked(self.delivery)?;
        let items = self
            .items
            .into_iter()
            .map(|item| (item.product_id, item.quantity.0, item.expected_price));
        Ok(OrderRequest {
            customer_id: self.customer_id,
            basket: Basket::of(items)?,
            basket_source: BasketSource::Request,
            coupon_id: self.coupon_id,
            campaign_id: self.campaign_id,
            payment,
            delivery,
        })
    }
}
