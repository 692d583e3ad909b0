//! `POST /order` places an order and pays it (주문·결제): with points in the same transaction, by card right after it.
//!
//! How an order is placed is in [`ordering::placement`], how a card is charged in [`ordering::card_payment`].

use domain::{
    CampaignId, CouponId, CustomerId, Failure, OrderId, ProductId, Refusal, Role, Won,
    basket::Basket,
    delivery::Delivery,
    number::WholeNumber,
    request::{OrderRequest, Origin},
};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    payment_request::{PaymentRequest, checked},
    placement::{self, Placement},
};
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
.request_body::<PlaceOrder>()
.response::<events::Order>()
.successes(&[(200, "Placed and paid"), (202, "Placed and not paid yet; `Retry-After` if the gateway is overloaded")])
.problems(placement::REFUSALS);

/// The function.
pub fn function() -> Function {
    Function::http("place-order", &[ROUTE], handle)
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
