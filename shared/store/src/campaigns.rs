//! Campaigns: one row for each attributed order, and daily totals.
//!
//! The transaction that writes an order's row also updates the totals, so the two can be compared
//! at any time.
//!
//! The number of customers in a date range is not the sum of its days, because a customer may order
//! on several days. Each day therefore counts its customers by the day of their previous order in
//! the campaign. The customers of a range are those whose previous order is before the range, or
//! who have none.

use crate::{
    Campaigns, Item, Page, PageRequest,
    item::{Key, string, whole},
    keys,
    order_views::order_in,
    read::Query,
};
use domain::{
    CampaignId, Fault,
    campaign::{Day, Figures},
};
use events::Order;
use std::collections::BTreeMap;

/// The attribute prefix of the counters of a day's customers by the day of their previous order.
pub(crate) const AFTER: &str = "after";
/// The counter of a day's customers who had no previous order in the campaign.
pub(crate) const FIRST: &str = "first";
/// The counter of a day's customers whose first order of all is in the campaign.
pub(crate) const NEW: &str = "newCustomers";

/// A campaign's totals for one day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayTotals {
    /// The number and the amounts of the orders.
    pub figures: Figures,
    /// Customers whose first order of all is among these orders.
    pub new_customers: i64,
    /// Customers by the day of their previous order in the campaign. `None`: they had no previous
    /// order.
    pub customers: BTreeMap<Option<Day>, i64>,
}

impl Campaigns<'_> {
    /// The projected orders, in the order of the arguments. `None` where an order is not attributed
    /// to a campaign.
    pub async fn stored(self, orders: &[&Order]) -> Result<Vec<Option<Order>>, Fault> {
        let table = self.0.tables.views.as_str();
        let key = |order: &&Order| {
            let campaign = order.campaign_id.as_ref()?;
            Some(keys::campaign_order(campaign, order.placed_at, &order.order_id))
        };
        let keys: Vec<Option<Key>> = orders.iter().map(key).collect();
        let mut found =
            self.0.batch_get(keys.iter().flatten().map(|key| (table, key.clone()))).await?;
        keys.iter()
            .map(|key| key.as_ref().and_then(|key| found.take(key)).map(order_in).transpose())
            .collect()
    }

    /// The orders attributed to a campaign, newest first. `Page::next` is the position of the last
    /// order.
    pub async fn orders(
        self,
        campaign: &CampaignId,
        page: &PageRequest,
    ) -> Result<Page<Order>, Fault> {
        let pk = keys::campaign(campaign);
        let query = Query {
            table: &self.0.tables.views,
            pk: &pk,
            prefix: keys::LISTED,
            newest_first: true,
        };
        let after = page.after.as_ref().map(|place| format!("{}{place}", keys::LISTED));
        let rows = self.0.query(&query, &PageRequest { after, ..*page }).await?;
        let entries = rows.entries.into_iter().map(order_in).collect::<Result<_, _>>()?;
        Ok(Page {
            entries,
            next: rows.next.map(|sk| sk.trim_start_matches(keys::LISTED).to_owned()),
        })
    }

    /// The totals of a campaign by the day of placement.
    pub async fn days(self, campaign: &CampaignId) -> Result<BTreeMap<Day, DayTotals>, Fault> {
        let pk = keys::campaign(campaign);
        let query = Query {
            table: &self.0.tables.views,
            pk: &pk,
            prefix: keys::CAMPAIGN_DAY,
            newest_first: false,
        };
        let mut days: BTreeMap<Day, DayTotals> = BTreeMap::new();
        self.0
            .query_each(&query, |item| {
                let sk = string(&item, "sk")?.trim_start_matches(keys::CAMPAIGN_DAY);
                let day = sk.split_once('#').map_or(sk, |(day, _)| day);
                let day = day.parse().map_err(Fault::broken)?;
                add_part(days.entry(day).or_default(), &item)
            })
            .await?;
        Ok(days)
    }
}

/// Adds one shard of a day's totals to `sum`.
fn add_part(sum: &mut DayTotals, item: &Item) -> Result<(), Fault> {
    let count = |name: &str| if item.contains_key(name) { whole(item, name) } else { Ok(0) };
    sum.figures += Figures {
        orders: count("orders")?,
        cancelled: count("cancelled")?,
        gross: count("gross")?,
        discount: count("discount")?,
        net: count("net")?,
    };
    sum.new_customers += count(NEW)?;
    for name in item.keys() {
        let since = match name.strip_prefix(AFTER) {
            Some(day) => Some(day.parse().map_err(Fault::broken)?),
            None if name == FIRST => None,
            None => continue,
        };
        *sum.customers.entry(since).or_default() += whole(item, name)?;
    }
    Ok(())
}

/// The number of customers who ordered within the range of days that `days` holds, both ends
/// included. The range begins at `from` (`None`: with the first day).
pub fn customers_within(days: &BTreeMap<Day, DayTotals>, from: Option<Day>) -> i64 {
    let within = |(since, count): (&Option<Day>, &i64)| {
        let is_first = match (since, from) {
            (None, _) => true,
            (Some(since), Some(from)) => *since < from,
            (Some(_), None) => false,
        };
        if is_first { *count } else { 0 }
    };
    days.values().flat_map(|day| &day.customers).map(within).sum()
}
