//! The responses of the Coupang API, with the fields that are used here, and their conversion to
//! order updates.

use crate::channels::{ChannelError, id, not_empty, time, won};
use domain::{
    ExternalOrderId, ProductId, Won,
    channel::{ChannelOrderUpdate, Claim, Item, Recipient},
    delivery::Shipment,
    order::Status,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A page of a listing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed<T> {
    #[serde(default)]
    pub(super) next_token: Option<String>,
    #[serde(default = "Vec::new")]
    pub(super) data: Vec<T>,
}

impl<T> Listed<T> {
    pub(super) fn next_token(&self) -> Option<String> {
        self.next_token.clone().filter(|token| !token.is_empty())
    }
}

/// An order sheet: one box of an order, with its items.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderSheet {
    pub(super) shipment_box_id: u64,
    pub(super) order_id: u64,
    ordered_at: String,
    #[serde(default)]
    paid_at: Option<String>,
    status: String,
    #[serde(default)]
    receiver: Option<Receiver>,
    #[serde(default)]
    parcel_print_message: Option<String>,
    order_items: Vec<OrderItem>,
    #[serde(default)]
    delivery_company_name: Option<String>,
    #[serde(default)]
    invoice_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Receiver {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    safe_number: Option<String>,
    #[serde(default)]
    receiver_number: Option<String>,
    #[serde(default)]
    addr1: Option<String>,
    #[serde(default)]
    addr2: Option<String>,
    #[serde(default)]
    post_code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderItem {
    pub(super) vendor_item_id: u64,
    #[serde(default)]
    vendor_item_name: Option<String>,
    shipping_count: u32,
    sales_price: Money,
    #[serde(default)]
    discount_price: Option<Money>,
    #[serde(default)]
    cancel_count: u32,
    #[serde(default)]
    hold_count_for_cancel: u32,
    #[serde(default)]
    canceled: bool,
}

/// An amount: an object in version 5 of the API, a number in version 4.
#[derive(Deserialize, Clone)]
#[serde(transparent)]
pub(super) struct Money(Value);

impl Money {
    /// The whole won. Won has no fractions, so the billionths are ignored.
    pub(super) fn won(self) -> Result<Won, ChannelError> {
        let units = self.0.as_i64().or(self.0["units"].as_i64());
        units.map_or_else(|| Err(ChannelError::Unavailable("an amount is malformed".into())), won)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReturnRequest {
    pub(super) receipt_id: u64,
    pub(super) order_id: u64,
    receipt_status: String,
    created_at: String,
    return_items: Vec<ReturnItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReturnItem {
    pub(super) vendor_item_id: u64,
    #[serde(default)]
    vendor_item_name: Option<String>,
    #[serde(default)]
    purchase_count: u32,
    cancel_count: u32,
    pub(super) shipment_box_id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SellerProduct {
    pub(super) seller_product_id: u64,
}

#[derive(Deserialize)]
pub(super) struct Detailed {
    pub(super) data: SellerProductDetail,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SellerProductDetail {
    #[serde(default)]
    pub(super) seller_product_name: String,
    #[serde(default)]
    pub(super) status_name: String,
    #[serde(default)]
    pub(super) items: Vec<SellerItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SellerItem {
    /// `None`: the item is not approved yet.
    #[serde(default)]
    pub(super) vendor_item_id: Option<u64>,
    #[serde(default)]
    pub(super) item_name: String,
    #[serde(default)]
    pub(super) sale_price: Option<Money>,
}

/// Maps the status of an order sheet to ours. `None`: the status is unknown.
pub(super) fn status(name: &str) -> Option<Status> {
    match name {
        "ACCEPT" => Some(Status::Paid),
        "INSTRUCT" => Some(Status::Accepted),
        "DEPARTURE" | "DELIVERING" | "NONE_TRACKING" => Some(Status::Shipped),
        "FINAL_DELIVERY" => Some(Status::Completed),
        _ => None,
    }
}

impl OrderSheet {
    pub(super) fn into_update(self) -> Result<ChannelOrderUpdate, ChannelError> {
        let shipment = not_empty(self.delivery_company_name).zip(not_empty(self.invoice_number));
        let shipment =
            shipment.map(|(carrier, tracking_number)| Shipment { carrier, tracking_number });
        let shipment = shipment.filter(|shipment| shipment.check().is_ok());
        let mut items: BTreeMap<String, BTreeMap<String, Item>> = BTreeMap::new();
        for item in self.order_items {
            let ordered = item.shipping_count;
            let cancelled = if item.canceled { ordered } else { item.cancel_count.min(ordered) };
            let parcel = Item {
                product_id: id(ProductId::parse(&item.vendor_item_id.to_string()))?,
                name: item.vendor_item_name.unwrap_or_default(),
                ordered,
                cancelled,
                held: item.hold_count_for_cancel.min(ordered - cancelled),
                unit_price: item.sales_price.won()?,
                // Coupang reports the discount of all ordered units. Ours is that of the units that
                // are not cancelled, or of all units if all are cancelled.
                discount: item.discount_price.map_or(Ok(Won::ZERO), Money::won)?.share(
                    if cancelled == ordered { ordered } else { ordered - cancelled },
                    ordered,
                ),
                status: status(&self.status),
                channel_status: self.status.clone(),
                inflow: None,
                shipment: shipment.clone(),
            };
            let parcels = items.entry(item.vendor_item_id.to_string()).or_default();
            parcels.insert(self.shipment_box_id.to_string(), parcel);
        }
        Ok(ChannelOrderUpdate {
            placed_at: Some(time(&self.ordered_at)?),
            paid_at: not_empty(self.paid_at).map(|text| time(&text)).transpose()?,
            // `buyer` is not set: names are masked and phone numbers are temporary, so nothing
            // shows that two orders have the same buyer.
            recipient: self.receiver.map(|receiver| Recipient {
                name: receiver.name.unwrap_or_default(),
                phone: not_empty(receiver.safe_number).or(not_empty(receiver.receiver_number)),
                address: [receiver.addr1, receiver.addr2]
                    .into_iter()
                    .filter_map(not_empty)
                    .collect::<Vec<_>>()
                    .join(" "),
                post_code: not_empty(receiver.post_code),
                message: not_empty(self.parcel_print_message),
            }),
            items,
            ..ChannelOrderUpdate::of(id(ExternalOrderId::parse(&self.order_id.to_string()))?)
        })
    }
}

impl ReturnRequest {
    pub(super) fn into_update(self) -> Result<ChannelOrderUpdate, ChannelError> {
        let made_at = time(&self.created_at)?;
        let mut claims: BTreeMap<String, Claim> = BTreeMap::new();
        for item in self.return_items {
            let item_id = item.vendor_item_id.to_string();
            // A return request lists an item once for each box that contained units of it.
            let claim = claims.entry(format!("{}-{item_id}", self.receipt_id)).or_insert(Claim {
                product_id: id(ProductId::parse(&item_id))?,
                item_id,
                name: item.vendor_item_name.unwrap_or_default(),
                ordered: 0,
                units: BTreeMap::new(),
                is_done: self.receipt_status == "RETURNS_COMPLETED",
                made_at,
            });
            claim.ordered = claim.ordered.max(item.purchase_count.max(item.cancel_count));
            claim.units.insert(item.shipment_box_id.to_string(), item.cancel_count);
        }
        Ok(ChannelOrderUpdate {
            claims,
            ..ChannelOrderUpdate::of(id(ExternalOrderId::parse(&self.order_id.to_string()))?)
        })
    }
}
