//! `GET /stores` lists stores (가게 목록): by id, or nearest first around a given position.
//!
//! With a position, every store is read: a merchant has tens or hundreds of stores, of about 200
//! bytes each.

use crate::geography::meters_between;
use domain::{
    Failure, InvalidId, Refusal, StoreId,
    position::{Degrees, Position},
    store::StoreProfile,
};
use edge::{Access, Function, MAX_PAGE, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::str::FromStr;
use store::{PageRequest, Store};

/// `GET /stores`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/stores",
    Access::Public,
    "Lists stores by id, or nearest first around a given position (가게 목록)",
)
.query(&[
    ("lat", "latitude of the center; requires `lng`"),
    ("lng", "longitude of the center; requires `lat`"),
    ("radiusMeters", "search radius in meters, at least 1 (default: unlimited)"),
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<StoreList>();

/// The `list-stores` handler.
pub fn function() -> Function {
    Function::http("list-stores", const { &[ROUTE.served()] }, handle)
}

/// A page of stores.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreList {
    /// The stores.
    stores: Vec<ListedStore>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The public data of a store.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedStore {
    /// The store's id.
    store_id: StoreId,
    /// The name that customers see.
    name: String,
    /// The latitude in decimal degrees.
    lat: Degrees,
    /// The longitude in decimal degrees.
    lng: Degrees,
    /// Whether the store accepts orders now.
    open: bool,
    /// The distance from the given position in meters.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_meters: Option<u32>,
}

impl ListedStore {
    /// The public data of a store, with its distance if a position was given.
    pub(crate) fn shown(profile: StoreProfile, distance_meters: Option<u32>) -> Self {
        let StoreProfile { store_id, name, position: Position { lat, lng }, open, phone: _ } =
            profile;
        Self { store_id, name, lat, lng, open, distance_meters }
    }
}

/// The position of a store in the list around a point: its distance in meters, then its id.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SortKey(u32, StoreId);

impl FromStr for SortKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (meters, store) = text.split_once('#').ok_or(InvalidId)?;
        Ok(Self(meters.parse().map_err(|_| InvalidId)?, store.parse()?))
    }
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let centre: (Option<Degrees>, Option<Degrees>) = (request.query("lat")?, request.query("lng")?);
    let radius = request.number("radiusMeters", 0..=u32::MAX)?;
    let store = store.until(request.deadline);
    let list = match centre {
        (Some(lat), Some(lng)) if lat.is_latitude() => {
            nearest(&store, &request, Position { lat, lng }, radius.unwrap_or(u32::MAX)).await?
        }
        (Some(_), Some(_)) => return Err(Refusal::field("lat", "must be -90 to 90").into()),
        (None, None) if radius.is_some() => {
            return Err(Refusal::field("lat", "is required with radiusMeters").into());
        }
        (None, None) => by_id(&store, &request).await?,
        (None, Some(_)) => return Err(Refusal::field("lat", "is required with lng").into()),
        (Some(_), None) => return Err(Refusal::field("lng", "is required with lat").into()),
    };
    Ok(Response::ok(&list))
}

async fn by_id(store: &Store, request: &Request) -> Result<StoreList, Failure> {
    let (limit, after) = request.page::<StoreId>()?;
    let page =
        store.stores().list(&PageRequest { limit, after: after.map(|id| id.to_string()) }).await?;
    let stores =
        page.entries.into_iter().map(|profile| ListedStore::shown(profile, None)).collect();
    Ok(StoreList { stores, next_cursor: Response::cursor(page.next.as_deref()) })
}

async fn nearest(
    store: &Store,
    request: &Request,
    centre: Position,
    radius: u32,
) -> Result<StoreList, Failure> {
    let (limit, after) = request.page::<SortKey>()?;
    let mut near: Vec<(SortKey, StoreProfile)> = Vec::new();
    let mut page = PageRequest { limit: MAX_PAGE, after: None };
    loop {
        let part = store.stores().list(&page).await?;
        near.extend(part.entries.into_iter().filter_map(|profile| {
            let sort_key =
                SortKey(meters_between(centre, profile.position), profile.store_id.clone());
            let is_requested =
                sort_key.0 <= radius && after.as_ref().is_none_or(|after| *after < sort_key);
            is_requested.then_some((sort_key, profile))
        }));
        page.after = part.next;
        if page.after.is_none() {
            break;
        }
    }
    near.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let has_more = near.len() > usize::from(limit);
    near.truncate(limit.into());
    let last = near
        .last()
        .filter(|_| has_more)
        .map(|(SortKey(meters, store), _)| format!("{meters}#{store}"));
    let stores = near
        .into_iter()
        .map(|(SortKey(meters, _), profile)| ListedStore::shown(profile, Some(meters)));
    Ok(StoreList { stores: stores.collect(), next_cursor: Response::cursor(last.as_deref()) })
}
