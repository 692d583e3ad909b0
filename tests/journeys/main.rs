//! Journeys through the platform with [`local::World`]: each test has a platform of its own,
//! made from the template, and says in its name what holds.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that finds something else than it expects has failed"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests are not functions: their tasks may run beside them"
)]

#[path = "../support/mod.rs"]
mod support;

mod architecture;
mod attempts;
mod audit;
mod audit_fulfilment;
mod audit_payments;
mod bad_input;
mod callers;
mod campaigns;
mod cancelling;
mod card_charges;
mod cards;
mod carts;
mod change_feed;
mod channel_credentials;
mod channel_stocks;
mod channels;
mod circuits;
mod clients;
mod contention;
mod contracts;
mod coupons;
mod data_platform;
mod deliveries;
mod delivery;
mod documentation;
mod expiry;
mod external_orders;
mod faults;
mod fulfilment;
mod grades;
mod hostile;
mod http_events;
mod integration;
mod listing;
mod marketplace_entries;
mod marketplace_histories;
mod marketplaces;
mod notification_inputs;
mod notifications;
mod order_views;
mod ordering;
mod parcels;
mod partners;
mod payment_faults;
mod points;
mod products;
mod relay;
mod riders;
mod samples;
mod settling;
mod shedding;
mod sockets;
mod strict_aws;
mod top_sellers;
mod transition_faults;
mod verification;
mod webhook_circuits;
mod webhook_secrets;
mod webhooks;
