//! The Lambda function `schedule-collections`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::schedule_collections::function())
}
