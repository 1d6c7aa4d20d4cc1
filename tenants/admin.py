"""The operator's admin: tenants, members, keys and audit entries."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants import audit
from tenants.access import Caller, system
from tenants.lifecycle import change_tenant, create_tenant
from tenants.models import ApiKey, AuditEntry, Authenticator, Member, OperatorKey, Tenant

_LONGEST_ACTOR = 64


class ReadOnly(ModelAdmin):  # type: ignore[misc]  # untyped
    """Rows that only the product writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        """Never."""
        return False


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # untyped; not subscriptable when it runs
    """People: the operators, and the members of tenants."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never: an account is deactivated, since the logs name it; memberships are removed one by one."""
        return False


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly):
    """Who has a second factor, without its secret; the operator deletes a lost one."""

    list_display = ("user", "confirmed", "created_at", "last_used_at")
    fields = ("user", "confirmed", "created_at", "last_used_at")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        """As Django grants it."""
        return bool(request.user.has_perm("tenants.delete_authenticator"))


@admin.register(Tenant)
class TenantAdmin(ModelAdmin):  # type: ignore[misc]  # untyped
    """Tenants: created with their keys, suspended, given quotas; erased by command only."""

    list_display = ("slug", "name", "state", "created_at")
    list_filter = ("state",)
    search_fields = ("slug", "name")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ANN401
        """Never: erasing a tenant takes `manage.py erase_tenant`."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        """Not once it is erased."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.state != Tenant.State.ERASED)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ANN401
        """Offer active and suspended: a tenant is erased by `manage.py erase_tenant` only."""
        if db_field.name == "state":
            kwargs["choices"] = [choice for choice in Tenant.State.choices if choice[0] != Tenant.State.ERASED]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Tenant, form: "ModelForm[Tenant]", change: bool) -> None:  # noqa: FBT001
        """Create a new tenant with its data key and audit chain, and record in its audit log what changed."""
        with transaction.atomic():
            if not change:
                made = create_tenant(obj.slug, obj.name)
                obj.pk, obj.created_at = made.pk, made.created_at
            stored = Tenant.objects.get(pk=obj.pk)
            change_tenant(_operator(request, stored), **{name: form.cleaned_data[name] for name in form.changed_data})


@admin.register(Member)
class MemberAdmin(ModelAdmin):  # type: ignore[misc]  # untyped
    """Memberships. The operator may remove a tenant's last owner too."""

    list_display = ("user", "tenant", "role")
    list_filter = ("role",)
    fields = ("user", "tenant", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Member | None = None) -> tuple[str, ...]:
        """Only the role of a membership can be changed."""
        return ("user", "tenant") if obj else ()

    def save_model(self, request: HttpRequest, obj: Member, form: "ModelForm[Member]", change: bool) -> None:  # noqa: FBT001
        """Record it in the tenant's audit log."""
        with transaction.atomic():
            obj.save()
            if not change:
                audit.record(_operator(request, obj.tenant), "member.joined", obj, role=obj.role)
            elif form.changed_data:
                roles = {"before": form.initial["role"], "after": obj.role}
                audit.record(_operator(request, obj.tenant), "member.role_changed", obj, **roles)

    def delete_model(self, request: HttpRequest, obj: Member) -> None:
        """Record it in the tenant's audit log."""
        with transaction.atomic():
            membership = {"role": obj.role, "user": str(obj.user_id)}
            audit.record(_operator(request, obj.tenant), "member.removed", obj, **membership)
            obj.delete()

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Member]") -> None:
        """Delete each with its audit entry, all or none."""
        with transaction.atomic():
            for member in queryset.select_related("tenant"):
                self.delete_model(request, member)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    """Keys, without their secrets."""

    list_display = ("id", "name", "tenant", "created_at", "expires_at", "revoked_at")
    exclude = ("secret_hash",)


@admin.register(OperatorKey)
class OperatorKeyAdmin(ReadOnly):
    """The operator's own keys, without their secrets; `manage.py operator_key` issues and revokes them."""

    list_display = ("id", "name", "scopes", "created_at", "expires_at", "revoked_at")
    exclude = ("secret_hash",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    """The audit log."""

    list_display = ("number", "tenant", "at", "actor_name", "action", "target_id")
    list_filter = ("action",)


def _operator(request: HttpRequest, tenant: Tenant) -> Caller:
    return system(tenant, request.user.get_username()[:_LONGEST_ACTOR])
