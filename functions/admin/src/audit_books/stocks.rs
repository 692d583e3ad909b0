//! Stock: the number of units put in minus the number of units sold.

use super::{Findings, LOOKS, STOCK};
use domain::{Fault, ProductId, order::Order};
use std::collections::HashMap;
use store::{
    Store,
    audits::{OrderRow, StockRow},
};

/// The number of products whose sales are added up in one scan of all orders.
const PRODUCTS_AT_ONCE: usize = 10_000;

/// Checks every stock against the units put in and sold, one batch of products at a time.
pub(super) async fn audit(store: &Store, findings: &mut Findings) -> Result<(), Fault> {
    let mut batch: HashMap<ProductId, Stock> = HashMap::new();
    let mut place = None;
    loop {
        let (rows, next) = store.audits().scan_stocks(place).await?;
        for (product, row) in rows {
            let stock = batch.entry(product).or_default();
            match row {
                StockRow::Quantity(quantity) => stock.quantity += quantity,
                StockRow::Movement(delta) => stock.put_in += delta,
            }
        }
        place = next;
        // The rows of the last product may continue in the next page. Then its sum is wrong here,
        // and it is read again like any other suspicion.
        if place.is_none() || batch.len() >= PRODUCTS_AT_ONCE {
            audit_batch(store, std::mem::take(&mut batch), findings).await?;
        }
        if place.is_none() {
            return Ok(());
        }
    }
}

/// The units of a product: the quantity left, and the sum of all movements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stock {
    quantity: i64,
    put_in: i64,
}

async fn audit_batch(
    store: &Store,
    batch: HashMap<ProductId, Stock>,
    findings: &mut Findings,
) -> Result<(), Fault> {
    for (product, stock) in &batch {
        findings.not_negative(|| format!("product/{product}"), stock.quantity);
    }
    let mut suspects = batch;
    for _ in 0..LOOKS {
        let sold = sold(store, &suspects).await?;
        let mut changed = HashMap::new();
        for (product, before) in suspects {
            let expected = before.put_in - sold.get(&product).copied().unwrap_or_default();
            if expected == before.quantity {
                findings.checked(STOCK);
                continue;
            }
            let (quantity, put_in) = store.audits().stock_and_movements(&product).await?;
            let after = Stock { quantity, put_in };
            if after == before {
                findings.checked(STOCK);
                findings.violation(STOCK, format!("product/{product}"), expected, before.quantity);
            } else {
                changed.insert(product, after);
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        suspects = changed;
    }
    for product in suspects.keys() {
        tracing::warn!(%product, law = STOCK, "not audited: it kept changing");
    }
    Ok(())
}

/// The units of these products in all orders that have not released them.
async fn sold(
    store: &Store,
    products: &HashMap<ProductId, Stock>,
) -> Result<HashMap<ProductId, i64>, Fault> {
    let mut sold = HashMap::new();
    let mut place = None;
    loop {
        let (rows, next) = store.audits().scan_orders(place).await?;
        let orders = rows.into_iter().filter_map(|row| match row {
            OrderRow::Order(order) => Some(*order),
            OrderRow::Attempt(_)
            | OrderRow::ExternalOrder(_)
            | OrderRow::Charge(_)
            | OrderRow::OpenDeliveries(..) => None,
        });
        for Order { lines, .. } in orders.filter(|order| !order.status().is_aborted()) {
            for line in lines.into_iter().filter(|line| products.contains_key(&line.product_id)) {
                *sold.entry(line.product_id).or_insert(0) += i64::from(line.quantity);
            }
        }
        place = next;
        if place.is_none() {
            return Ok(sold);
        }
    }
}
