//! Campaigns: one row for each order that a campaign brought, and day sums that are derived from the rows in the very
//! transactions that write them, so that both can be compared at any time.
//!
//! How many customers ordered within a range of days is not the sum of its days, for a customer may order on several. So each
//! day counts the customers who ordered on it by the day on which they had ordered before: those who had not within the range
//! are the range's customers.

use crate::{
    Campaigns, CommitError, Item, Page, PageRequest, Transaction, Write,
    item::{number, read, row, string, whole},
    keys::{self, Key},
    order_views::order_in,
    read::Query,
};
use domain::{
    CampaignId, Fault, OrderId, Timestamp,
    campaign::{Day, Figures, neighbours},
};
use events::Order;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// In how many rows the sums of a day are kept, so that none is hot: each takes some 66 orders a second.
const DAY_SHARDS: u8 = 8;

/// How often the rows are read anew when somebody else wrote them in between.
const ATTEMPTS: usize = 8;

/// The prefix of the attributes that count a day's customers by the day on which they had ordered before.
const AFTER: &str = "after";
/// The attribute that counts a day's customers who had not ordered before.
const FIRST: &str = "first";
/// The attribute that counts a day's customers whose first order of all it was.
const NEW: &str = "newCustomers";

/// What the orders of a campaign amount to on a day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayTotals {
    /// The orders' figures.
    pub figures: Figures,
    /// Customers whose first order of all was one of them.
    pub new_customers: i64,
    /// Customers, by the day on which they had ordered before through the campaign; by none, if they had not.
    pub customers: BTreeMap<Option<Day>, i64>,
}

/// The days on which a customer ordered through a campaign, and how often that row was written.
#[derive(Debug, Default, Serialize, Deserialize)]
struct OrderedOn {
    writes: i64,
    days: Vec<String>,
}

/// A customer's first order of all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FirstOrder {
    placed_at: Timestamp,
    order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    campaign_id: Option<CampaignId>,
}

/// What is added to the attributes of rows.
#[derive(Debug, Default)]
struct Additions(BTreeMap<(String, String), BTreeMap<String, i64>>);

impl Additions {
    fn add(&mut self, Key { pk, sk }: Key, attribute: impl Into<String>, amount: i64) {
        *self.0.entry((pk, sk)).or_default().entry(attribute.into()).or_default() += amount;
    }

    fn figures(&mut self, key: &Key, Figures { orders, cancelled, gross, discount, net }: Figures) {
        for (attribute, amount) in
            [("orders", orders), ("cancelled", cancelled), ("gross", gross), ("discount", discount), ("net", net)]
        {
            self.add(key.clone(), attribute, amount);
        }
    }

    /// One update for each row to which anything is added.
    fn writes(self, table: &str) -> Vec<Write> {
        let write = |((pk, sk), amounts): ((String, String), BTreeMap<String, i64>)| {
            let amounts: Vec<(String, i64)> = amounts.into_iter().filter(|(_, amount)| *amount != 0).collect();
            if amounts.is_empty() {
                return None;
            }
            let additions: Vec<String> = (0..amounts.len()).map(|place| format!("#a{place} :a{place}")).collect();
            let update = Write::update(table, Key { pk, sk }, &format!("ADD {}", additions.join(", ")));
            Some(amounts.iter().enumerate().fold(update, |update, (place, (attribute, amount))| {
                update.name(&format!("#a{place}"), attribute).value(&format!(":a{place}"), number(*amount))
            }))
        };
        self.0.into_iter().filter_map(write).collect()
    }
}

fn shard(order: &OrderId) -> u8 {
    order.as_str().bytes().fold(0u8, u8::wrapping_add) % DAY_SHARDS
}

/// What a paid order amounts to.
pub fn figures(order: &Order) -> Figures {
    let Order { original_amount, discount_amount, total_amount, status, .. } = order;
    Figures::of_order(*original_amount, *discount_amount, *total_amount, status.is_aborted())
}

impl Campaigns<'_> {
    /// Takes note of an order that was paid: in its campaign, if one brought it, and as its customer's first, if it is. Tells
    /// whether that was news.
    pub async fn attribute(self, order: &Order) -> Result<bool, Fault> {
        for _ in 0..ATTEMPTS {
            let Some(change) = self.attribution(order).await? else { return Ok(false) };
            match change.commit(self.0).await {
                Ok(()) => return Ok(true),
                Err(CommitError::Failed(_)) => {}
                Err(CommitError::Fault(fault)) => return Err(fault),
            }
        }
        Err(Fault::busy("the campaign changes faster than an order can be attributed"))
    }

    /// What is to be written, if anything.
    async fn attribution(self, order: &Order) -> Result<Option<Transaction<()>>, Fault> {
        let Order { order_id, customer_id, placed_at, campaign_id, version, .. } = order;
        let table = self.0.tables.views.as_str();
        let day = Day::of(*placed_at);
        let first_key = keys::first_order(customer_id);
        let of_campaign = campaign_id.as_ref().map(|campaign| {
            (keys::campaign_order(campaign, *placed_at, order_id), keys::campaign_customer(campaign, customer_id))
        });
        let wanted = of_campaign.iter().flat_map(|(row, customer)| [row.clone(), customer.clone()]);
        let wanted = wanted.chain([first_key.clone()]).map(|key| (table, key));
        let mut found = self.0.batch_get(wanted).await?;
        let (mut change, mut additions) = (Transaction::default(), Additions::default());
        let mut is_news = false;

        let first: Option<FirstOrder> = found.take(&first_key).map(read).transpose()?;
        let this = FirstOrder { placed_at: *placed_at, order_id: order_id.clone(), campaign_id: campaign_id.clone() };
        if first.as_ref().is_none_or(|first| this < *first) {
            is_news = true;
            let put = Write::put(table, row(&first_key, &this)?);
            change = change.with(same_first(put, first.as_ref()), ());
            if let Some(FirstOrder { placed_at, order_id, campaign_id: Some(campaign) }) = &first {
                additions.add(keys::campaign_day(campaign, Day::of(*placed_at), shard(order_id)), NEW, -1);
            }
            if let Some(campaign) = campaign_id {
                additions.add(keys::campaign_day(campaign, day, shard(order_id)), NEW, 1);
            }
        }
        if let (Some(campaign), Some((row_key, customer_key))) = (campaign_id, of_campaign) {
            let before: Option<Order> = found.take(&row_key).map(order_in).transpose()?;
            if before.as_ref().is_none_or(|before| before.version < *version) {
                is_news = true;
                let put = Write::put(table, row(&row_key, order)?);
                let put = match &before {
                    None => put.when_new(),
                    Some(before) => put.when("version = :seen").value(":seen", number(before.version.into())),
                };
                change = change.with(put, ());
                let was = before.as_ref().map(figures).unwrap_or_default();
                additions.figures(&keys::campaign_day(campaign, day, shard(order_id)), figures(order).less(was));
                let ordered_on: Option<OrderedOn> = found.take(&customer_key).map(read).transpose()?;
                if before.is_none()
                    && let Some(next) = also_ordered_on(ordered_on.as_ref(), day, |day, attribute, amount| {
                        additions.add(keys::campaign_day(campaign, day, shard(order_id)), attribute, amount);
                    })
                {
                    let put = Write::put(table, row(&customer_key, &next)?);
                    change = change.with(
                        match ordered_on {
                            None => put.when_new(),
                            Some(seen) => put.when("writes = :seen").value(":seen", number(seen.writes)),
                        },
                        (),
                    );
                }
            }
        }
        let change = additions.writes(table).into_iter().fold(change, |change, write| change.with(write, ()));
        Ok(is_news.then_some(change))
    }

    /// Orders as their campaigns have them, in the same order; those of no campaign are none.
    pub async fn stored(self, orders: &[&Order]) -> Result<Vec<Option<Order>>, Fault> {
        let table = self.0.tables.views.as_str();
        let key = |order: &&Order| {
            let campaign = order.campaign_id.as_ref()?;
            Some(keys::campaign_order(campaign, order.placed_at, &order.order_id))
        };
        let keys: Vec<Option<Key>> = orders.iter().map(key).collect();
        let mut found = self.0.batch_get(keys.iter().flatten().map(|key| (table, key.clone()))).await?;
        keys.iter().map(|key| key.as_ref().and_then(|key| found.take(key)).map(order_in).transpose()).collect()
    }

    /// The orders that a campaign brought, the newest first. A page's `next` is the place of its last order.
    pub async fn orders(self, campaign: &CampaignId, page: &PageRequest) -> Result<Page<Order>, Fault> {
        let pk = keys::campaign(campaign);
        let query = Query { table: &self.0.tables.views, pk: &pk, prefix: keys::LISTED, newest_first: true };
        let after = page.after.as_ref().map(|place| format!("{}{place}", keys::LISTED));
        let rows = self.0.query(&query, &PageRequest { after, ..*page }).await?;
        let entries = rows.entries.into_iter().map(order_in).collect::<Result<_, _>>()?;
        Ok(Page { entries, next: rows.next.map(|sk| sk.trim_start_matches(keys::LISTED).to_owned()) })
    }

    /// What the orders of a campaign amount to, by the day on which they were placed.
    pub async fn days(self, campaign: &CampaignId) -> Result<BTreeMap<Day, DayTotals>, Fault> {
        let pk = keys::campaign(campaign);
        let query = Query { table: &self.0.tables.views, pk: &pk, prefix: keys::CAMPAIGN_DAY, newest_first: false };
        let mut days: BTreeMap<Day, DayTotals> = BTreeMap::new();
        self.0
            .query_each(&query, |item| {
                let sk = string(&item, "sk")?.trim_start_matches(keys::CAMPAIGN_DAY);
                let day = sk.split('#').next().unwrap_or_default().parse().map_err(Fault::broken)?;
                add_part(days.entry(day).or_default(), &item)
            })
            .await?;
        Ok(days)
    }
}

/// A customer's days with another one, and what that adds to the days' counts; nothing, if it is no other.
fn also_ordered_on(
    ordered_on: Option<&OrderedOn>,
    day: Day,
    mut add: impl FnMut(Day, String, i64),
) -> Option<OrderedOn> {
    let days: Vec<Day> = ordered_on.iter().flat_map(|seen| &seen.days).filter_map(|day| day.parse().ok()).collect();
    let (before, after) = neighbours(&days, day)?;
    let since = |before: Option<Day>| before.map_or_else(|| FIRST.to_owned(), |before| format!("{AFTER}{before}"));
    add(day, since(before), 1);
    if let Some(after) = after {
        add(after, since(before), -1);
        add(after, since(Some(day)), 1);
    }
    let days = days.iter().map(Day::to_string).chain([day.to_string()]).collect();
    Some(OrderedOn { writes: ordered_on.map_or(0, |seen| seen.writes) + 1, days })
}

/// Adds a part of a day's sums.
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

/// The write happens only if a customer's first order is still the one that was seen.
fn same_first(write: Write, seen: Option<&FirstOrder>) -> Write {
    match seen {
        None => write.when_new(),
        Some(seen) => write.when("orderId = :seen").value(":seen", crate::item::text(&seen.order_id)),
    }
}

/// The customers who ordered within a range of days, both ends included.
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
