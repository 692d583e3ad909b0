//! `notify-customer` tells customers of each step of their orders (알림): by Alimtalk, and where that does not reach them by
//! SMS.
//!
//! Each notification of an order's version by a channel is claimed before it is sent and concluded after: what is delivered
//! twice is told once. What the notifier does not take stays in the queue; while it is in trouble its circuit is open and
//! nobody calls it.
//!
//! When there is too much to tell (the circuit is open, or what came with a message has waited longer than [`SHED_AFTER`]),
//! text messages are shed: they are dropped, counted and shown as such. Alimtalk goes on as soon as it can.

use crate::texts::{Text, Texts};
use domain::{CustomerId, Fault, NotStarted, Open, Timestamp, Variables, phone::Dialled};
use edge::{DeadLetterError, Environment, Function, Message, SourceQueue};
use events::{Envelope, Order};
use partners::notifiers::{self, Notifier, SendError, Way};
use std::{collections::HashMap, sync::Arc, time::Duration};
use store::{
    Store,
    circuits::{Breaker, CircuitOpen, Permit},
    customers::Preferences,
    notifications::{Channel, Notification, NotificationStatus},
};

/// From this age of the oldest message on, text messages are shed.
pub const SHED_AFTER: Duration = Duration::from_mins(5);

/// The pause after the first failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);

/// The longest pause between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// So many deliveries without success, over some ten minutes, are told as an error.
const TOLD_AFTER: u32 = 8;

/// How long it may take to hand a message over and to say what became of it: what is begun is brought to its end.
const SENDING_TAKES: Duration = Duration::from_secs(8);

/// The code of a notification that is not sent because its phone had as many today as it may.
const DAILY_LIMIT: &str = "DAILY-LIMIT";

/// The function.
pub fn function() -> Function {
    Function::queue("notify-customer", handle)
}

#[derive(Clone)]
struct Resources {
    store: Store,
    notifier: Arc<dyn Notifier>,
    breaker: Breaker,
    texts: Texts,
    /// What the notifier calls a template, where that is not what we call it.
    template_ids: HashMap<String, String>,
    queue: SourceQueue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let notifier = notifiers::open(env)?;
        let ids = env.variable("ALIMTALK_TEMPLATE_IDS").unwrap_or_default();
        Ok(Self {
            store: env.open()?,
            breaker: Breaker::new(notifier.name(), env.open()?),
            notifier,
            texts: Texts::read()?,
            template_ids: template_ids(&ids)?,
            queue: SourceQueue::open(env, "NOTIFY_CUSTOMER_QUEUE", FIRST_BACKOFF, LONGEST_BACKOFF)?,
        })
    }
}

/// What the notifier calls templates: `ours=theirs,…`.
fn template_ids(pairs: &str) -> Result<HashMap<String, String>, NotStarted> {
    let pairs = pairs.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (ours, theirs) = pair.split_once('=').ok_or_else(|| format!("{pair} is not ours=theirs"))?;
        Ok((ours.trim().to_owned(), theirs.trim().to_owned()))
    };
    pairs.map(pair).collect()
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Somebody else is about to tell it.
    #[error("somebody else is about to tell it")]
    Claimed,
    /// The notifier is in trouble, and is left alone.
    #[error(transparent)]
    CircuitOpen(#[from] CircuitOpen),
    /// The notifier did not take it.
    #[error(transparent)]
    SendError(#[from] SendError),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It could not be laid aside.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

async fn handle(resources: Resources, message: Message) -> Result<(), NotifyError> {
    let order = match message.json::<Envelope<Order>>() {
        Ok(Envelope { data: order, .. }) => order,
        Err(not_json) => return Ok(resources.queue.dead_letter(&message, not_json).await?),
    };
    let order_id = order.order_id.clone();
    let Err(not_told) = tell(&resources, &message, order).await else { return Ok(()) };
    let at_least = if let NotifyError::CircuitOpen(CircuitOpen(wait)) = &not_told { *wait } else { Duration::ZERO };
    resources.queue.hide(&message, at_least).await;
    if message.receive_count >= TOLD_AFTER {
        // An alarm listens for these words.
        tracing::error!(order = %order_id, error = %not_told, "a customer is not told");
    }
    Err(not_told)
}

async fn tell(resources: &Resources, message: &Message, order: Order) -> Result<(), NotifyError> {
    let Some(text) = resources.texts.of(&order) else { return Ok(()) };
    let store = resources.store.until(message.deadline);
    let Some((to, wanted)) = reach(&store, &order.customer_id).await? else { return Ok(()) };
    let known = store.notifications().of_version(&order.order_id, order.version).await?;
    let is_late = message.waiting_since.plus(SHED_AFTER) < message.now;
    let errand = Errand { resources, store, order, text, to, known, is_late, deadline: message.deadline };
    if wanted.kakao && errand.by_kakao(wanted.sms).await? == Outcome::Reached {
        return Ok(());
    }
    if wanted.sms { errand.by_sms().await } else { Ok(()) }
}

/// Where a customer is reached, and by which channels they want to be: at the phone that is verified to be theirs, and nowhere
/// else. The phone of a delivery is for whoever brings it.
async fn reach(store: &Store, customer: &CustomerId) -> Result<Option<(Dialled, Preferences)>, Fault> {
    let contact = store.customers().get(customer).await?.contact;
    Ok(contact.and_then(|contact| Some((contact.verified_phone()?.dialled(), contact.notify))))
}

/// One thing to tell one customer.
struct Errand<'a> {
    resources: &'a Resources,
    store: Store,
    order: Order,
    text: &'a Text,
    to: Dialled,
    /// What the customer was told of it already.
    known: Vec<Notification>,
    /// Whether messages wait too long.
    is_late: bool,
    /// By when the work must be done.
    deadline: Timestamp,
}

/// What came of a channel.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It reaches the customer, or did before.
    Reached,
    /// It will not.
    NotReached,
}

impl Errand<'_> {
    fn known(&self, channel: Channel) -> Option<NotificationStatus> {
        self.known.iter().find(|known| known.channel == channel).map(|known| known.status)
    }

    fn notification(&self, channel: Channel, status: NotificationStatus, at: Timestamp) -> Notification {
        let Order { version, status: order_status, .. } = self.order;
        Notification { version, order_status, channel, status, at, code: None }
    }

    /// Tells by Alimtalk, with a text message where KakaoTalk does not reach the phone, unless those are shed.
    async fn by_kakao(&self, wants_sms: bool) -> Result<Outcome, NotifyError> {
        match self.known(Channel::Kakao) {
            Some(NotificationStatus::Sent) => return Ok(Outcome::Reached),
            Some(NotificationStatus::Failed | NotificationStatus::Shed) => return Ok(Outcome::NotReached),
            Some(NotificationStatus::Sending) | None => {}
        }
        let admitted = self.resources.breaker.admit(&self.store).await;
        let sheds = self.is_late || admitted.is_err() || self.known(Channel::Sms) == Some(NotificationStatus::Shed);
        if wants_sms && sheds {
            // Before the Alimtalk goes without it: after that nobody would.
            if let Err(not_shed) = self.shed().await {
                if let Ok(pass) = admitted {
                    self.resources.breaker.release(&self.store, pass).await;
                }
                return Err(not_shed);
            }
        }
        let permit = admitted?;
        let variables = self.text.variables(&self.order);
        let ours = &self.text.template;
        let template = self.resources.template_ids.get(ours).unwrap_or(ours).clone();
        let way = Way::Alimtalk { template, variables, or_else_sms: wants_sms && !sheds };
        self.send(Channel::Kakao, way, permit).await
    }

    /// Tells by a text message, or sheds it.
    async fn by_sms(&self) -> Result<(), NotifyError> {
        match self.known(Channel::Sms) {
            Some(NotificationStatus::Sent | NotificationStatus::Failed | NotificationStatus::Shed) => return Ok(()),
            Some(NotificationStatus::Sending) | None => {}
        }
        if self.is_late {
            return self.shed().await;
        }
        match self.resources.breaker.admit(&self.store).await {
            Ok(pass) => self.send(Channel::Sms, Way::Sms, pass).await.map(drop),
            Err(CircuitOpen(_)) => self.shed().await,
        }
    }

    /// Drops a text message, once, unless somebody is about to send it.
    async fn shed(&self) -> Result<(), NotifyError> {
        let shed = self.notification(Channel::Sms, NotificationStatus::Shed, self.store.now());
        if self.store.notifications().claim(&self.order.order_id, &shed).await? {
            // A metric counts these words.
            tracing::warn!(order = %self.order.order_id, version = self.order.version, "an SMS is shed");
            return Ok(());
        }
        match self.known(Channel::Sms) {
            Some(NotificationStatus::Sending) => Err(NotifyError::Claimed),
            Some(NotificationStatus::Sent | NotificationStatus::Failed | NotificationStatus::Shed) | None => Ok(()),
        }
    }

    /// Claims the notification, hands it over, and says what became of it. A crash in between leaves the claim to expire:
    /// then it is handed over again.
    async fn send(&self, channel: Channel, way: Way, permit: Permit) -> Result<Outcome, NotifyError> {
        let Self { resources, store, order, .. } = self;
        let claim = self.notification(channel, NotificationStatus::Sending, store.now());
        if let Err(not_begun) = self.begin(&claim).await {
            resources.breaker.release(store, permit).await;
            return Err(not_begun);
        }
        if !store.phones().count_message(&self.to, claim.at).await? {
            resources.breaker.release(store, permit).await;
            return self.conclude(&claim, Err(SendError::Refused(DAILY_LIMIT.into()))).await;
        }
        let message = notifiers::Message {
            id: format!("{}-{}-{channel}", order.order_id, order.version),
            to: self.to.clone(),
            text: self.text.filled(&self.text.variables(order)),
            way,
        };
        let sent = resources.notifier.send(&message, store.now()).await;
        let made = permit.finish(store, !matches!(&sent, Err(why) if why.is_outage()));
        let is_tried_again = !matches!(&sent, Ok(()) | Err(SendError::Refused(_)));
        // First what became of the message, for others wait for that; then how the call went.
        let outcome = self.conclude(&claim, sent).await;
        resources.breaker.record(store, made).await;
        if is_tried_again {
            store.phones().uncount_message(&self.to, claim.at).await?;
        }
        outcome
    }

    /// Claims a notification, if there is time to bring it to its end and nobody else has.
    async fn begin(&self, claim: &Notification) -> Result<(), NotifyError> {
        if claim.at.plus(SENDING_TAKES) > self.deadline {
            return Err(Fault::busy("there is no time left to send it").into());
        }
        let is_mine = self.store.notifications().claim(&self.order.order_id, claim).await?;
        if is_mine { Ok(()) } else { Err(NotifyError::Claimed) }
    }

    /// Says what became of a notification that was handed over.
    async fn conclude(&self, claim: &Notification, sent: Result<(), SendError>) -> Result<Outcome, NotifyError> {
        let Self { store, order, .. } = self;
        let (outcome, concluded) = match sent {
            Ok(()) => (Outcome::Reached, claim.now_is(NotificationStatus::Sent, store.now())),
            Err(SendError::Refused(code)) => {
                let failed = claim.now_is(NotificationStatus::Failed, store.now());
                // A metric counts these words.
                tracing::warn!(order = %order.order_id, channel = %claim.channel, code, "a notification is refused");
                (Outcome::NotReached, Notification { code: Some(code), ..failed })
            }
            Err(unsent @ (SendError::NotNow { .. } | SendError::Unreachable(_))) => {
                store.notifications().release(&order.order_id, claim).await?;
                return Err(unsent.into());
            }
        };
        store.notifications().conclude(&order.order_id, claim, &concluded).await?;
        Ok(outcome)
    }
}
