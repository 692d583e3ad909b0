//! `aggregate-top-sellers` runs every minute and counts the sales of the last 72 hours.
//!
//! An hour is closed some time after it ends. Then its sales are summed once, and the totals are
//! stored. The sales of hours that are not closed, and of the hour that the window cuts, are
//! counted one by one. A sale that is recorded late leaves a note, and the totals of its hour are
//! computed again. One run therefore reads 71 totals and the sales of about two hours, regardless
//! of the age of the shop.

use domain::{
    Fault, ProductId, Timestamp,
    sales::{Hour, Sold, TOP, Window, add_sales, rank},
};
use edge::{Function, Tick};
use std::{collections::BTreeSet, time::Duration};
use store::{
    PageRequest, Store,
    sales::{LateSale, TopSeller, TopSellers},
};

/// How long after its end an hour is closed. A sale without a note was recorded before its hour
/// ended, according to the clock of its function, with a tolerance of one call. The grace period is
/// far longer than clocks differ and calls last.
const GRACE: Duration = Duration::from_mins(10);

/// A run stops reading notes once it has this many. The next run processes the remaining ones.
const MAX_NOTES: usize = 1_000;

/// The `aggregate-top-sellers` handler.
pub fn function() -> Function {
    Function::schedule("aggregate-top-sellers", handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    // The notes are read before any sale, so the sums below include the sales of these notes.
    let late = late_sales(&store).await?;
    let late_hours: BTreeSet<Hour> = late.iter().map(|late| late.hour).collect();
    let window = Window::ending(tick.now);
    let mut sold = Sold::new();
    let mut not_stored = BTreeSet::new();
    for hour in window.hours() {
        if window.covers(hour) && hour.end().plus(GRACE) <= tick.now {
            let Closed { totals, is_stored } =
                closed(&store, hour, late_hours.contains(&hour), tick.now).await?;
            add_sales(&mut sold, &totals);
            if !is_stored {
                not_stored.insert(hour);
            }
        } else {
            let count = |sale: &domain::sales::Sale| {
                if window.contains(sale.paid_at) {
                    add_sales(&mut sold, &sale.sold);
                }
            };
            store.sales().each(hour, count).await?;
        }
    }
    store
        .sales()
        .put_top_sellers(&TopSellers {
            as_of: tick.now,
            products: describe(&store, rank(sold)).await?,
        })
        .await?;
    for late in late.iter().filter(|late| !not_stored.contains(&late.hour)) {
        store.sales().remove_late(late).await?;
    }
    Ok(())
}

async fn late_sales(store: &Store) -> Result<Vec<LateSale>, Fault> {
    let mut all = Vec::new();
    let mut page = PageRequest { limit: 1000, after: None };
    loop {
        let late = store.sales().late(&page).await?;
        all.extend(late.entries);
        page.after = late.next;
        if page.after.is_none() || all.len() >= MAX_NOTES {
            return Ok(all);
        }
    }
}

/// The totals of a closed hour.
struct Closed {
    totals: Sold,
    /// Whether these totals are stored. If not, a run that began later has stored its own already.
    is_stored: bool,
}

async fn closed(store: &Store, hour: Hour, is_late: bool, now: Timestamp) -> Result<Closed, Fault> {
    if !is_late && let Some(totals) = store.sales().totals(hour).await? {
        return Ok(Closed { totals, is_stored: true });
    }
    let mut totals = Sold::new();
    store.sales().each(hour, |sale| add_sales(&mut totals, &sale.sold)).await?;
    totals.retain(|_, units| *units != 0);
    let is_stored = store.sales().put_totals(hour, &totals, now).await?;
    Ok(Closed { totals, is_stored })
}

/// The first [`TOP`] products of a ranking, with the data to show. A product that does not exist is
/// skipped.
async fn describe(store: &Store, ranked: Vec<(ProductId, i64)>) -> Result<Vec<TopSeller>, Fault> {
    let mut top = Vec::with_capacity(TOP);
    for some in ranked.chunks(TOP) {
        let ids: Vec<ProductId> = some.iter().map(|(id, _)| id.clone()).collect();
        let products = store.products().many(&ids).await?;
        for (id, sold_quantity) in some {
            if let Some(product) = products.iter().find(|product| product.product_id == *id) {
                top.push(TopSeller {
                    product_id: id.clone(),
                    name: product.name.clone(),
                    category: product.category.clone(),
                    price: product.price.won(),
                    sold_quantity: *sold_quantity,
                });
            }
        }
        if top.len() >= TOP {
            top.truncate(TOP);
            break;
        }
    }
    Ok(top)
}
