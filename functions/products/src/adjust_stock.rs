//! `POST /api/v1/admin/products/{productId}/stock` adjusts a stock manually (재고 조정): by the units
//! that were added or removed, or to the units that were counted.

use domain::{
    Failure, Fault, ProductId, Refusal, RefusalKind, Role,
    number::WholeNumber,
    order::checked_reason,
    product::{Adjustment, MAX_STOCK},
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{
    Store, Transaction,
    optimistic::{
        Attempted::{self, Done},
        OFTEN_CHANGED, optimistically,
    },
    products::{Movement, StockAdjustment, StockChange},
};

/// `POST /api/v1/admin/products/{productId}/stock`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/products/{productId}/stock",
    Access::Roles(&[Role::Operator]),
    "Adjusts a product's stock manually (재고 조정)",
)
.idempotent_by_key()
.request_body::<AdjustStock>()
.response::<StockLeft>()
.problems(&[
    RefusalKind::InvalidProduct,
    RefusalKind::InvalidStockQuantity,
    RefusalKind::OutOfStock,
    RefusalKind::KeyReused,
]);

/// The `adjust-stock` handler.
pub fn function() -> Function {
    Function::http("adjust-stock", const { &[ROUTE.served()] }, handle)
}

/// A stock adjustment. It has either `delta` or `quantity`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AdjustStock {
    /// Units added (positive) or removed (negative): ±1,000,000, not 0. This or `quantity`.
    delta: Option<WholeNumber>,
    /// Units counted: 0 to 10^9. This or `delta`.
    quantity: Option<WholeNumber>,
    /// The reason, at most 200 characters.
    reason: Option<String>,
}

/// A stock immediately after its adjustment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockLeft {
    /// The product's id.
    product_id: ProductId,
    /// Units in stock.
    quantity: i64,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let product_id: ProductId = request.path("productId")?;
    let AdjustStock { delta, quantity, reason } = request.json()?;
    let reason = checked_reason(reason)?;
    let change = match (delta, quantity) {
        (Some(delta), None) => StockChange::By(
            Adjustment::new(delta.0).map_err(|_| Refusal::InvalidStockQuantity)?.delta(),
        ),
        (None, Some(quantity)) if (0..=MAX_STOCK).contains(&quantity.0) => {
            StockChange::To(quantity.0)
        }
        (None, Some(_)) => return Err(Refusal::InvalidStockQuantity.into()),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refusal::field(
                "delta",
                "is required without quantity, and must not be combined with it",
            )
            .into());
        }
    };
    let key_hash =
        request.idempotency_key()?.map(|key| key.hash(&format!("operator:{product_id}/stock")));
    let store = store.until(request.deadline);

    optimistically(OFTEN_CHANGED, || async {
        let (stock, made) =
            store.stock().read_for_adjustment(&product_id, key_hash.as_deref()).await?;
        if let Some(made) = made {
            let same = made.change == change && made.reason == reason;
            let left = StockLeft { product_id: made.product_id, quantity: made.quantity };
            return if same {
                Ok(Done(Response::ok(&left).replayed()))
            } else {
                Err(Refusal::KeyReused.into())
            };
        }
        let seen = stock
            .ok_or_else(|| Refusal::InvalidProduct { product_id: product_id.clone() })?
            .quantity;
        let quantity = match change {
            StockChange::By(delta) => seen + delta,
            StockChange::To(quantity) => quantity,
        };
        if quantity < 0 {
            return Err(Refusal::OutOfStock {
                product_id: product_id.clone(),
                requested: seen - quantity,
                available: seen,
            }
            .into());
        }
        if quantity > MAX_STOCK {
            return Err(Refusal::InvalidStockQuantity.into());
        }
        let adjusted = StockAdjustment {
            product_id: product_id.clone(),
            quantity,
            change,
            reason: reason.clone(),
        };
        let left = StockLeft { product_id: product_id.clone(), quantity };
        let is_written = commit(&store, &request, &adjusted, seen, key_hash.as_deref()).await?;
        Ok(Attempted::done_if(is_written, || Response::ok(&left)))
    })
    .await
}

/// A failed condition of an adjustment. In each case the handler reads and decides again.
#[derive(Debug)]
enum Stale {
    /// The stock has changed since it was read.
    Stock,
    /// The movement exists already.
    Movement,
    /// The adjustment was made under the same key in the meantime.
    Adjustment,
}

async fn commit(
    store: &Store,
    request: &Request,
    adjusted: &StockAdjustment,
    seen: i64,
    key_hash: Option<&str>,
) -> Result<bool, Fault> {
    let StockAdjustment { product_id, quantity, reason, .. } = adjusted;
    let movement = Movement {
        delta: quantity - seen,
        reason: reason.clone(),
        order_id: None,
        by: Some(request.caller.actor()),
        at: request.now,
    };
    let movement =
        store.stock().put_movement(product_id, &request.ids().ulid().to_string(), &movement)?;
    let mut transaction = Transaction::default()
        .with(store.stock().set_quantity(product_id, seen, *quantity), Stale::Stock)
        .with(movement, Stale::Movement);
    if let Some(hash) = key_hash {
        let record = store.stock().put_adjustment(adjusted, hash)?;
        transaction = transaction.with(record, Stale::Adjustment);
    }
    transaction.commit_if_unchanged(store).await
}
