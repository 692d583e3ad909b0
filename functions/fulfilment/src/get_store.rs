//! `GET /stores/{storeId}` shows a store (가게 조회).

use crate::list_stores::ListedStore;
use domain::{Failure, Refusal, RefusalKind, StoreId};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// `GET /stores/{storeId}`.
pub const ROUTE: Route =
    Route::new(Method::Get, "/stores/{storeId}", Access::Public, "Shows a store (가게 조회)")
        .response::<ListedStore>()
        .problems(&[RefusalKind::InvalidStore]);

/// The `get-store` handler.
pub fn function() -> Function {
    Function::http("get-store", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let store_id: StoreId = request.path("storeId")?;
    let profile = store.until(request.deadline).stores().get(&store_id).await?;
    let profile = profile.ok_or(Refusal::InvalidStore { store_id })?;
    Ok(Response::ok(&ListedStore::shown(profile, None)))
}
