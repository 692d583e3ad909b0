//! `PUT /api/v1/admin/stores/{storeId}` says what is known of a store, and whether it takes orders now (가게 등록·수정).

use domain::{
    Failure, Refusal, Role, StoreId, delivery::Degrees, geohash::Position, phone::PhoneNumber, store::StoreProfile,
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::Store;

const MAX_NAME: usize = 100;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/api/v1/admin/stores/{storeId}",
    Access::Roles(&[Role::Operator]),
    "Says what is known of a store, and opens or closes it (가게 등록·수정)",
)
.request_body::<PutStore>()
.response::<StoreAnswer>();

/// The function.
pub fn function() -> Function {
    Function::http("put-store", &[ROUTE], handle)
}

/// What a store is to be.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PutStore {
    /// The name customers read, 1 to 100 characters.
    name: String,
    /// Where it is: the latitude in decimal degrees.
    lat: Degrees,
    /// The longitude in decimal degrees.
    lng: Degrees,
    /// Its phone number.
    phone: PhoneNumber,
    /// Whether it takes orders now.
    open: bool,
}

/// A store as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreAnswer {
    /// The store.
    store_id: StoreId,
    /// The name customers read.
    name: String,
    /// The latitude in decimal degrees.
    lat: Degrees,
    /// The longitude in decimal degrees.
    lng: Degrees,
    /// Its phone number.
    phone: PhoneNumber,
    /// Whether it takes orders now.
    open: bool,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let store_id: StoreId = request.path("storeId")?;
    let PutStore { name, lat, lng, phone, open } = request.json()?;
    if !(1..=MAX_NAME).contains(&name.chars().count()) {
        return Err(Refusal::field("name", format!("must be 1 to {MAX_NAME} characters")).into());
    }
    if !lat.is_latitude() {
        return Err(Refusal::field("lat", "must be -90 to 90").into());
    }
    let profile = StoreProfile { store_id, name, position: Position { lat, lng }, phone, open };
    store.until(request.deadline).stores().put(&profile).await?;
    let StoreProfile { store_id, name, position: Position { lat, lng }, phone, open } = profile;
    Ok(Response::ok(&StoreAnswer { store_id, name, lat, lng, phone, open }))
}
