"""grpc.channelz.v1: what gRPC itself counts, served as all else, so that bad bytes are refused."""

from grpc_channelz.v1._async import ChannelzServicer as Stock


class ChannelzService:
    """The stock servicer's methods under the names that ours have."""

    get_top_channels = staticmethod(Stock.GetTopChannels)
    get_servers = staticmethod(Stock.GetServers)
    get_server = staticmethod(Stock.GetServer)
    get_server_sockets = staticmethod(Stock.GetServerSockets)
    get_channel = staticmethod(Stock.GetChannel)
    get_subchannel = staticmethod(Stock.GetSubchannel)
    get_socket = staticmethod(Stock.GetSocket)
