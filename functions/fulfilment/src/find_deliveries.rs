//! `GET /deliveries` lists cooked orders nearby that wait for a rider, nearest first (배달 찾기).
//!
//! The geohash cells around the requested position are searched, and the distance of each result is
//! measured.

use crate::geography::{cells_around, meters_between};
use domain::{
    Failure, InvalidId, OrderId, Refusal, Role, StoreId, Timestamp,
    position::{Degrees, Position},
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::str::FromStr;
use store::{Store, deliveries::Delivery, keys::DeliveryEnd};

/// The search radius if the request has none.
const DEFAULT_RADIUS_METERS: u32 = 3_000;
/// The largest search radius.
const MAX_RADIUS_METERS: u32 = 20_000;

/// The northernmost and southernmost latitude that can be searched, in degrees. Near a pole, a
/// circle can contain all longitudes, and there are no streets.
const MAX_LATITUDE: i64 = 85;

/// `GET /deliveries`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/deliveries",
    Access::Roles(&[Role::Rider, Role::Operator]),
    "Lists cooked orders nearby that wait for a rider, nearest first (배달 찾기)",
)
.query(&[
    ("lat", "latitude of the center, -85 to 85; required"),
    ("lng", "longitude of the center; required"),
    ("radiusMeters", "search radius, 1 to 20,000 (default: 3,000)"),
    (
        "near",
        "position that must be within the radius: `customer` (the destination; default) or `store`",
    ),
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<Deliveries>();

/// The `find-deliveries` handler.
pub fn function() -> Function {
    Function::http("find-deliveries", const { &[ROUTE.served()] }, handle)
}

/// A page of orders that wait for a rider.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deliveries {
    /// The orders, nearest first.
    deliveries: Vec<DeliveryResponse>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// An order that waits for a rider.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryResponse {
    /// The order's id.
    order_id: OrderId,
    /// The id of the store, where the rider picks the order up.
    store_id: StoreId,
    /// The store's name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_name: Option<String>,
    /// The store's latitude, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_lat: Option<Degrees>,
    /// The store's longitude, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_lng: Option<Degrees>,
    /// The distance to the store in meters, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_distance_meters: Option<u32>,
    /// The destination's latitude, rounded to a thousandth of a degree (about 100 m). Only the
    /// rider who picks the order up sees the address.
    lat: Degrees,
    /// The destination's longitude, rounded in the same way.
    lng: Degrees,
    /// The distance to the destination in meters.
    customer_distance_meters: u32,
    /// When the order was cooked: it waits since then.
    cooked_at: Timestamp,
}

/// The value of the `near` parameter.
struct Named(DeliveryEnd);

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "customer" => Ok(Self(DeliveryEnd::Customer)),
            "store" => Ok(Self(DeliveryEnd::Store)),
            _ => Err("must be customer or store"),
        }
    }
}

/// The position of an order in the list: its distance in meters, then its id.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SortKey(u32, OrderId);

impl FromStr for SortKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (meters, order) = text.split_once('#').ok_or(InvalidId)?;
        Ok(Self(meters.parse().map_err(|_| InvalidId)?, order.parse()?))
    }
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let centre = Position { lat: required(&request, "lat")?, lng: required(&request, "lng")? };
    if centre.lat.e7().abs() > MAX_LATITUDE * 10_000_000 {
        return Err(
            Refusal::field("lat", format!("must be -{MAX_LATITUDE} to {MAX_LATITUDE}")).into()
        );
    }
    let radius = request.number("radiusMeters", 1..=MAX_RADIUS_METERS)?;
    let radius = radius.unwrap_or(DEFAULT_RADIUS_METERS);
    let near = request.query("near")?.map_or(DeliveryEnd::Customer, |Named(near)| near);
    let (limit, after) = request.page::<SortKey>()?;
    let found = store
        .until(request.deadline)
        .deliveries()
        .in_cells(near, &cells_around(centre, radius))
        .await?;
    let measured = found.into_iter().filter_map(|delivery| {
        let sort_key =
            SortKey(meters_between(centre, position(&delivery, near)?), delivery.order_id.clone());
        let is_requested =
            sort_key.0 <= radius && after.as_ref().is_none_or(|after| *after < sort_key);
        is_requested.then_some((sort_key, delivery))
    });
    let mut nearest: Vec<(SortKey, Delivery)> = measured.collect();
    nearest.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let has_more = nearest.len() > usize::from(limit);
    nearest.truncate(limit.into());
    let last = nearest
        .last()
        .filter(|_| has_more)
        .map(|(SortKey(meters, order), _)| format!("{meters}#{order}"));
    let deliveries = nearest.into_iter().map(|(_, delivery)| shown(delivery, centre)).collect();
    Ok(Response::ok(&Deliveries { deliveries, next_cursor: Response::cursor(last.as_deref()) }))
}

fn required(request: &Request, name: &str) -> Result<Degrees, Refusal> {
    request.query(name)?.ok_or_else(|| Refusal::field(name, "is required"))
}

fn position(delivery: &Delivery, end: DeliveryEnd) -> Option<Position> {
    match end {
        DeliveryEnd::Customer => Some(delivery.position),
        DeliveryEnd::Store => delivery.store_position,
    }
}

fn shown(delivery: Delivery, centre: Position) -> DeliveryResponse {
    DeliveryResponse {
        order_id: delivery.order_id,
        store_id: delivery.store_id,
        store_name: delivery.store_name,
        store_lat: delivery.store_position.map(|position| position.lat),
        store_lng: delivery.store_position.map(|position| position.lng),
        store_distance_meters: delivery
            .store_position
            .map(|position| meters_between(centre, position)),
        lat: delivery.position.lat,
        lng: delivery.position.lng,
        customer_distance_meters: meters_between(centre, delivery.position),
        cooked_at: delivery.cooked_at,
    }
}
