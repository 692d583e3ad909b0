//! `GET /deliveries` shows a rider the cooked orders nearby that wait to be brought (배달 찾기), the nearest first.
//!
//! The cells around the place that is asked for are searched, and what is found is measured.

use crate::geography::{cells_around, meters_between};
use domain::{Failure, InvalidId, OrderId, Refusal, Role, StoreId, Timestamp, delivery::Degrees, geohash::Position};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::str::FromStr;
use store::{Store, deliveries::Delivery, keys::Near};

/// How far a rider looks, if nothing is said, and at the most.
const DEFAULT_RADIUS_METERS: u32 = 3_000;
const MAX_RADIUS_METERS: u32 = 20_000;

/// How far north or south anybody looks, in degrees: beyond, a circle is all around the pole, and there is no street.
const MAX_LATITUDE: i64 = 85;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/deliveries",
    Access::Roles(&[Role::Rider, Role::Operator]),
    "Shows the cooked orders nearby that wait for a rider, the nearest first (배달 찾기)",
)
.query(&[
    ("lat", "the latitude around which to look, -85 to 85; needed"),
    ("lng", "the longitude; needed"),
    ("radiusMeters", "how far, 1 to 20,000 (3,000)"),
    (
        "near",
        "what must be so near: the `customer` to whom an order goes (if left out), or the `store` from which it comes",
    ),
    ("limit", "how many at the most, 1 to 100 (20)"),
    ("cursor", "the `nextCursor` of the page before"),
])
.response::<Deliveries>();

/// The function.
pub fn function() -> Function {
    Function::http("find-deliveries", &[ROUTE], handle)
}

/// Orders that wait for a rider.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deliveries {
    /// The orders, the nearest first.
    deliveries: Vec<DeliveryAnswer>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// An order that waits for a rider.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryAnswer {
    /// The order.
    order_id: OrderId,
    /// The store from which it comes.
    store_id: StoreId,
    /// The store's name, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_name: Option<String>,
    /// The store's latitude, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_lat: Option<Degrees>,
    /// The store's longitude, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_lng: Option<Degrees>,
    /// How far the store is, in meters, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_distance_meters: Option<u32>,
    /// The latitude to which it goes, to a thousandth of a degree (some 100 m): the address is for the rider who picks it up.
    lat: Degrees,
    /// The longitude to which it goes, likewise.
    lng: Degrees,
    /// How far that is, in meters.
    customer_distance_meters: u32,
    /// Since when it waits.
    cooked_at: Timestamp,
}

/// What must be near, as a query names it.
struct Asked(Near);

impl FromStr for Asked {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "customer" => Ok(Self(Near::Customer)),
            "store" => Ok(Self(Near::Store)),
            _ => Err("must be customer or store"),
        }
    }
}

/// Where an order is in the list: how far, and which one it is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place(u32, OrderId);

impl FromStr for Place {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (meters, order) = text.split_once('#').ok_or(InvalidId)?;
        Ok(Self(meters.parse().map_err(|_| InvalidId)?, order.parse()?))
    }
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let centre = Position { lat: needed(&request, "lat")?, lng: needed(&request, "lng")? };
    if centre.lat.e7().abs() > MAX_LATITUDE * 10_000_000 {
        return Err(Refusal::field("lat", format!("must be -{MAX_LATITUDE} to {MAX_LATITUDE}")).into());
    }
    let radius = request.query("radiusMeters")?.unwrap_or(DEFAULT_RADIUS_METERS);
    if !(1..=MAX_RADIUS_METERS).contains(&radius) {
        return Err(Refusal::field("radiusMeters", format!("must be 1 to {MAX_RADIUS_METERS}")).into());
    }
    let whom = request.query("near")?.map_or(Near::Customer, |Asked(whom)| whom);
    let (limit, after) = request.page::<Place>()?;
    let found = store.until(request.deadline).deliveries().in_cells(whom, &cells_around(centre, radius)).await?;
    let measured = found.into_iter().filter_map(|delivery| {
        let place = Place(meters_between(centre, position(&delivery, whom)?), delivery.order_id.clone());
        let is_asked_for = place.0 <= radius && after.as_ref().is_none_or(|after| *after < place);
        is_asked_for.then_some((place, delivery))
    });
    let mut nearest: Vec<(Place, Delivery)> = measured.collect();
    nearest.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let has_more = nearest.len() > usize::from(limit);
    nearest.truncate(limit.into());
    let last = nearest.last().filter(|_| has_more).map(|(Place(meters, order), _)| format!("{meters}#{order}"));
    let deliveries = nearest.into_iter().map(|(_, delivery)| shown(delivery, centre)).collect();
    Ok(Response::ok(&Deliveries { deliveries, next_cursor: Response::cursor(last.as_deref()) }))
}

fn needed(request: &Request, name: &str) -> Result<Degrees, Refusal> {
    request.query(name)?.ok_or_else(|| Refusal::field(name, "is required"))
}

fn position(delivery: &Delivery, whom: Near) -> Option<Position> {
    match whom {
        Near::Customer => Some(delivery.position),
        Near::Store => delivery.store_position,
    }
}

fn shown(delivery: Delivery, centre: Position) -> DeliveryAnswer {
    DeliveryAnswer {
        order_id: delivery.order_id,
        store_id: delivery.store_id,
        store_name: delivery.store_name,
        store_lat: delivery.store_position.map(|position| position.lat),
        store_lng: delivery.store_position.map(|position| position.lng),
        store_distance_meters: delivery.store_position.map(|position| meters_between(centre, position)),
        lat: delivery.position.lat,
        lng: delivery.position.lng,
        customer_distance_meters: meters_between(centre, delivery.position),
        cooked_at: delivery.cooked_at,
    }
}
