from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CallsConfig(AppConfig):
    name = "calls"
    verbose_name = "Calls"

    def ready(self) -> None:
        from calls.models.guards import lay_guards

        post_migrate.connect(lay_guards, sender=self, dispatch_uid="calls.lay_guards")
