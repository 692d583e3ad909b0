//! The responses of the Naver Commerce API, with the fields that are used here, and their
//! conversion to order updates.

use crate::channels::{ChannelError, id, not_empty, time, won};
use domain::{
    ExternalOrderId, ProductId,
    channel::{ChannelOrderUpdate, Item, Recipient},
    delivery::Shipment,
    order::Status,
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub(super) struct Issued {
    pub(super) access_token: String,
    pub(super) expires_in: u64,
}

#[derive(Deserialize)]
pub(super) struct Enveloped<T> {
    pub(super) data: Option<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    #[serde(default)]
    pub(super) last_change_statuses: Vec<Changed>,
    #[serde(default)]
    pub(super) more: Option<More>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changed {
    pub(super) product_order_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct More {
    pub(super) more_from: String,
    pub(super) more_sequence: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detail {
    order: OrderPart,
    product_order: ProductOrder,
    #[serde(default)]
    delivery: Option<Delivery>,
    #[serde(default)]
    current_claim: Option<CurrentClaim>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderPart {
    order_id: String,
    order_date: String,
    #[serde(default)]
    payment_date: Option<String>,
    #[serde(default)]
    orderer_no: Option<String>,
    #[serde(default)]
    orderer_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductOrder {
    pub(super) product_order_id: String,
    product_order_status: String,
    #[serde(default)]
    place_order_status: Option<String>,
    #[serde(default)]
    product_id: Option<String>,
    #[serde(default)]
    original_product_id: Option<String>,
    #[serde(default)]
    product_name: String,
    #[serde(default)]
    product_option: Option<String>,
    #[serde(default)]
    option_price: i64,
    quantity: u32,
    #[serde(default)]
    initial_quantity: Option<u32>,
    #[serde(default)]
    remain_quantity: Option<u32>,
    unit_price: i64,
    #[serde(default)]
    remain_payment_amount: Option<i64>,
    #[serde(default)]
    product_discount_amount: i64,
    #[serde(default)]
    shipping_memo: Option<String>,
    #[serde(default)]
    inflow_path: Option<String>,
    #[serde(default)]
    shipping_address: Option<ShippingAddress>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShippingAddress {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    tel1: Option<String>,
    #[serde(default)]
    base_address: Option<String>,
    #[serde(default)]
    detailed_address: Option<String>,
    #[serde(default)]
    zip_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery {
    #[serde(default)]
    delivery_company: Option<String>,
    #[serde(default)]
    tracking_number: Option<String>,
}

/// The statuses of a pending cancellation.
const PENDING: [&str; 3] = ["CANCEL_REQUEST", "CANCELING", "ADMIN_CANCELING"];

/// The claim in progress. Completed cancellations and returns are already deducted from the
/// remaining quantity.
#[derive(Deserialize)]
pub(super) struct CurrentClaim {
    #[serde(default)]
    cancel: Option<ClaimPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClaimPart {
    claim_status: String,
    #[serde(default)]
    request_quantity: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct Found {
    #[serde(default)]
    pub(super) contents: Vec<FoundProduct>,
    #[serde(default)]
    pub(super) last: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FoundProduct {
    pub(super) origin_product_no: u64,
    #[serde(default)]
    pub(super) channel_products: Vec<ChannelProduct>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChannelProduct {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) status_type: String,
    #[serde(default)]
    pub(super) sale_price: Option<i64>,
    #[serde(default)]
    pub(super) stock_quantity: Option<i64>,
}

/// Maps the status of a product order to ours. `None`: the status is unknown.
pub(super) fn status(name: &str, place_order_status: Option<&str>) -> Option<Status> {
    match name {
        "PAYMENT_WAITING" => Some(Status::StockAllocated),
        "PAYED" if place_order_status == Some("OK") => Some(Status::Accepted),
        "PAYED" => Some(Status::Paid),
        "DELIVERING" => Some(Status::Shipped),
        "DELIVERED" | "PURCHASE_DECIDED" | "EXCHANGED" => Some(Status::Completed),
        "CANCELED" | "RETURNED" => Some(Status::Cancelled),
        "CANCELED_BY_NOPAYMENT" => Some(Status::Expired),
        _ => None,
    }
}

impl CurrentClaim {
    /// The units that a pending cancellation covers. They must not be shipped meanwhile.
    fn held(&self, left: u32) -> u32 {
        let part =
            self.cancel.as_ref().filter(|part| PENDING.contains(&part.claim_status.as_str()));
        part.map_or(0, |part| part.request_quantity.unwrap_or(left).min(left))
    }
}

impl Detail {
    pub(super) fn into_update(self) -> Result<ChannelOrderUpdate, ChannelError> {
        let Self { order, product_order, delivery, current_claim } = self;
        let placed_at = time(&order.order_date)?;
        let ordered = product_order.initial_quantity.unwrap_or(product_order.quantity);
        let left = product_order.remain_quantity.unwrap_or(product_order.quantity).min(ordered);
        let unit_price = won(product_order.unit_price.saturating_add(product_order.option_price))?;
        let discount = match product_order.remain_payment_amount.filter(|_| left > 0) {
            Some(paid) => {
                won((unit_price.get().saturating_mul(left.into()).saturating_sub(paid)).max(0))?
            }
            None => won(product_order.product_discount_amount.max(0))?,
        };
        let product =
            not_empty(product_order.original_product_id).or(not_empty(product_order.product_id));
        let shipment = delivery
            .and_then(|one| not_empty(one.delivery_company).zip(not_empty(one.tracking_number)));
        let shipment =
            shipment.map(|(carrier, tracking_number)| Shipment { carrier, tracking_number });
        let option = not_empty(product_order.product_option)
            .map(|option| format!(" {option}"))
            .unwrap_or_default();
        let item = Item {
            product_id: id(ProductId::parse(product.as_deref().unwrap_or("unknown")))?,
            name: format!("{}{option}", product_order.product_name),
            ordered,
            cancelled: ordered - left,
            held: current_claim.map_or(0, |claim| claim.held(left)),
            unit_price,
            discount,
            status: status(
                &product_order.product_order_status,
                product_order.place_order_status.as_deref(),
            ),
            channel_status: product_order.product_order_status,
            inflow: not_empty(product_order.inflow_path),
            shipment: shipment.filter(|shipment| shipment.check().is_ok()),
        };
        let item_id = product_order.product_order_id;
        let memo = not_empty(product_order.shipping_memo);
        Ok(ChannelOrderUpdate {
            placed_at: Some(placed_at),
            paid_at: not_empty(order.payment_date).map(|text| time(&text)).transpose()?,
            buyer: not_empty(order.orderer_no).or(not_empty(order.orderer_id)),
            recipient: product_order.shipping_address.map(|to| Recipient {
                name: to.name,
                phone: not_empty(to.tel1),
                address: [to.base_address, to.detailed_address]
                    .into_iter()
                    .filter_map(not_empty)
                    .collect::<Vec<_>>()
                    .join(" "),
                post_code: not_empty(to.zip_code),
                message: memo,
            }),
            items: BTreeMap::from([(item_id.clone(), BTreeMap::from([(item_id, item)]))]),
            ..ChannelOrderUpdate::of(id(ExternalOrderId::parse(&order.order_id))?)
        })
    }
}
