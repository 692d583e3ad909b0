//! The Lambda function `audit-books`.

fn main() -> Result<(), edge::Error> {
    edge::run(&admin::audit_books::function())
}
