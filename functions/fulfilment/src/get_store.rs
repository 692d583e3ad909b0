//! `GET /stores/{storeId}` shows a store (가게 조회).

use crate::list_stores::ListedStore;
use domain::{Fault, StoreId};
use edge::{Access, Answer, Details, Function, Method, Problem, Rejected, Request, Route};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(Method::Get, "/stores/{storeId}", Access::Public, "Shows a store (가게 조회)")
    .answers::<ListedStore>()
    .problems(&[(400, "invalid-store", "there is no such store")]);

/// The function.
pub fn function() -> Function {
    Function::http("get-store", &[ROUTE], crate::open, handle)
}

/// Why a store is not shown.
#[derive(Debug, thiserror::Error)]
pub enum NotShown {
    /// There is no such store.
    #[error("There is no store {0}.")]
    InvalidStore(StoreId),
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for NotShown {
    fn details(&self) -> Details {
        match self {
            Self::InvalidStore(store) => Details::new(400, "invalid-store").with("storeId", store),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Answer, NotShown> {
    let store_id: StoreId = request.path("storeId")?;
    let profile = store.until(request.deadline).store_profile(&store_id).await?;
    let profile = profile.ok_or(NotShown::InvalidStore(store_id))?;
    Ok(Answer::ok(&ListedStore::shown(profile, None)))
}
