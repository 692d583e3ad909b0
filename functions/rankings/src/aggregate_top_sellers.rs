//! `aggregate-top-sellers` counts the last 72 hours, every minute.
//!
//! An hour is closed some time after it ends; then its sales are summed once and the totals kept. Hours that are not
//! closed, and the one that the window cuts, are counted from their sales. A sale that is told late leaves a note, and by
//! the notes closed hours are summed anew. So one count reads 71 totals and the sales of some two hours, however old
//! the shop is.

use domain::{
    Fault, ProductId, Timestamp,
    sales::{Hour, Sold, TOP, Window, rank, tally},
};
use edge::{Function, Tick};
use std::{collections::BTreeSet, time::Duration};
use store::{
    PageRequest, Store,
    sales::{LateSale, TopSeller, TopSellers},
};

/// How long after its end an hour is closed. A sale that left no note was recorded before its hour ended, by the clock
/// of its function and give or take one call: this is far longer than clocks differ and calls last.
const GRACE: Duration = Duration::from_mins(10);

/// Notes that one count works off; the rest waits for the next.
const MAX_NOTES: usize = 1_000;

/// The function.
pub fn function() -> Function {
    Function::schedule("aggregate-top-sellers", handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    // The notes are read before any sale: what they tell of is in the sums that follow.
    let late = late_sales(&store).await?;
    let late_hours: BTreeSet<Hour> = late.iter().map(|late| late.hour).collect();
    let window = Window::ending(tick.now);
    let mut sold = Sold::new();
    let mut outdated = BTreeSet::new();
    for hour in window.hours() {
        if window.covers(hour) && hour.end().plus(GRACE) <= tick.now {
            let Closed { totals, is_kept } = closed(&store, hour, late_hours.contains(&hour), tick.now).await?;
            tally(&mut sold, &totals);
            if !is_kept {
                outdated.insert(hour);
            }
        } else {
            let count = |sale: &domain::sales::Sale| {
                if window.contains(sale.paid_at) {
                    tally(&mut sold, &sale.sold);
                }
            };
            store.sales().each(hour, count).await?;
        }
    }
    store
        .sales()
        .put_top_sellers(&TopSellers { as_of: tick.now, products: describe(&store, rank(sold)).await? })
        .await?;
    for late in late.iter().filter(|late| !outdated.contains(&late.hour)) {
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

/// A closed hour's totals.
struct Closed {
    totals: Sold,
    /// Whether the kept totals have all that these have; if not, another count began later and was quicker.
    is_kept: bool,
}

async fn closed(store: &Store, hour: Hour, is_late: bool, now: Timestamp) -> Result<Closed, Fault> {
    if !is_late && let Some(totals) = store.sales().totals(hour).await? {
        return Ok(Closed { totals, is_kept: true });
    }
    let mut totals = Sold::new();
    store.sales().each(hour, |sale| tally(&mut totals, &sale.sold)).await?;
    totals.retain(|_, units| *units != 0);
    let is_kept = store.sales().put_totals(hour, &totals, now).await?;
    Ok(Closed { totals, is_kept })
}

/// The first five of a ranking, with what is shown of them. A product that does not exist here is passed over.
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
