//! `PUT /api/v1/admin/stores/{storeId}` creates a store or replaces its profile, and opens or
//! closes it (가게 등록·수정).

use domain::{
    Failure, Refusal, Role, StoreId,
    phone::PhoneNumber,
    position::{Degrees, Position},
    store::StoreProfile,
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::Store;

const MAX_NAME: usize = 100;

/// `PUT /api/v1/admin/stores/{storeId}`.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/api/v1/admin/stores/{storeId}",
    Access::Roles(&[Role::Operator]),
    "Creates a store or replaces its profile, and opens or closes it (가게 등록·수정)",
)
.request_body::<PutStore>()
.response::<StoreResponse>();

/// The `put-store` handler.
pub fn function() -> Function {
    Function::http("put-store", const { &[ROUTE.served()] }, handle)
}

/// The profile of a store.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PutStore {
    /// The name that customers see, 1 to 100 characters.
    name: String,
    /// The latitude in decimal degrees.
    lat: Degrees,
    /// The longitude in decimal degrees.
    lng: Degrees,
    /// The store's phone number.
    phone: PhoneNumber,
    /// Whether the store accepts orders now.
    open: bool,
}

/// A store in a response.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreResponse {
    /// The store's id.
    store_id: StoreId,
    /// The name that customers see.
    name: String,
    /// The latitude in decimal degrees.
    lat: Degrees,
    /// The longitude in decimal degrees.
    lng: Degrees,
    /// The store's phone number.
    phone: PhoneNumber,
    /// Whether the store accepts orders now.
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
    Ok(Response::ok(&StoreResponse { store_id, name, lat, lng, phone, open }))
}
