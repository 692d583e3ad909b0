//! The Lambda function `get-audit`.

fn main() -> Result<(), edge::Error> {
    edge::run(&admin::get_audit::function())
}
